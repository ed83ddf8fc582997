import { knownSymbol, resolveBuiltin } from "./builtins.ts";
import type { Graph } from "./envelope.ts";
import { makeError } from "./errors.ts";
import { freezeDeep } from "./freeze.ts";
import { symbolOf } from "./identity.ts";
import type { Base, GraphNode, Integrity, KeyRef, PropertyRecord, Ref } from "./nodes.ts";
import { unpackPlainBody } from "./plain-body.ts";
import { classByName } from "./registry.ts";

/** Nodes that only capture can make again. */
export type FunctionNode = Extract<
  GraphNode,
  readonly [
    "import" | "function" | "class" | "attached" | "again" | "require" | "dynamicImport" | "moduleMeta",
    ...unknown[],
  ]
>;

/** What the reader asks for functions, classes and imports. */
export interface FunctionLinker {
  /** The value of the node. May call back `get`; for functions `later` fills in what may be cyclic. */
  make(node: FunctionNode, id: number, reader: GraphReader): unknown;
  /** Called before code of the user's runs while a graph is still being linked. */
  beforeUserCode(reader: GraphReader): void;
  /** An instance of classes with `#private` fields, base class first, without the effects of their constructors. */
  makeInstance(classes: readonly object[], prototype: object): object;
  /** Sets the private fields of one class. */
  setPrivates(ctor: object, instance: object, values: readonly unknown[], reader: GraphReader): void;
}

/** Parts of a graph that may be decoded once and used by many links: see `GraphTable.plainShared`. */
export interface SharedParts {
  plain?: readonly unknown[];
}

/** For graphs without functions. */
export const noLinker: FunctionLinker = {
  make(node) {
    throw new Error(`a stored value holds a ${node[0]}, which can't be restored here`);
  },
  beforeUserCode: (reader) => reader.settle(),
  makeInstance: (_classes, prototype) => Object.create(prototype) as object,
  setPrivates() {},
};

/**
 * Links a table's nodes to values: each is made once, empty, and filled afterwards, so that cycles close.
 * `get` makes, `settle` fills; `finish` does the rest and freezes what was frozen.
 */
export class GraphReader {
  readonly nodes: readonly GraphNode[];
  readonly #graph: Graph;
  readonly #linker: FunctionLinker;
  readonly #shared: SharedParts;
  readonly #values: unknown[];
  readonly #made: Uint8Array;
  readonly #fill: (() => void)[] = [];
  readonly #freeze: (() => void)[] = [];

  constructor(graph: Graph, linker: FunctionLinker = noLinker, shared: SharedParts = {}) {
    this.#graph = graph;
    this.#linker = linker;
    this.#shared = shared;
    this.nodes = graph.table.nodes;
    this.#values = new Array(this.nodes.length);
    this.#made = new Uint8Array(this.nodes.length);
  }

  /** The whole value. */
  read(): unknown {
    const value = this.get(this.#graph.table.root);
    this.finish();
    return value;
  }

  /** The value of a reference; its contents may still be missing until `settle`. */
  get(ref: Ref): unknown {
    if (typeof ref !== "number") return ref[0];
    if (ref < 0) return undefined;
    if (this.#made[ref]) return this.#values[ref];
    this.#made[ref] = 1;
    const value = this.#make(this.nodes[ref]!, ref);
    this.#values[ref] = value;
    return value;
  }

  /** As `get`, whole: for values that code runs on at once (a superclass, arguments of a call). */
  getSettled(ref: Ref): unknown {
    const value = this.get(ref);
    this.settle();
    return value;
  }

  /** Sets a node's value before `make` returns, for those that refer to themselves. */
  preset(id: number, value: unknown): void {
    this.#values[id] = value;
  }

  /** To be done once all that is being made exists. */
  later(fill: () => void): void {
    this.#fill.push(fill);
  }

  settle(): void {
    for (let fill = this.#fill.pop(); fill; fill = this.#fill.pop()) fill();
  }

  finish(): void {
    this.settle();
    for (const freeze of this.#freeze) freeze();
    this.#freeze.length = 0;
  }

  /** Freezes, seals or closes an object once it is whole. */
  restrict(value: object, integrity: Integrity): void {
    if (integrity) this.#freeze.push(() => INTEGRITY[integrity]!(value));
  }

  /** Defines properties from their records. */
  define(target: object, records: readonly PropertyRecord[]): void {
    for (const record of records) {
      const key = this.key(record[0]);
      const flags = record[2] ?? 7;
      const enumerable = (flags & 2) !== 0;
      const configurable = (flags & 4) !== 0;
      if (record.length === 4) {
        const accessors = { get: this.get(record[1]), set: this.get(record[3]) } as PropertyDescriptor;
        Object.defineProperty(target, key, { ...accessors, enumerable, configurable });
      } else {
        const value = this.get(record[1]);
        if (flags === 7 && !(key in target)) (target as Record<PropertyKey, unknown>)[key] = value;
        else
          Object.defineProperty(target, key, {
            value,
            writable: (flags & 1) !== 0,
            enumerable,
            configurable,
          });
      }
    }
  }

  key(ref: KeyRef): PropertyKey {
    return typeof ref === "string" ? ref : (this.get(ref.symbol) as symbol);
  }

  #make(node: GraphNode, id: number): unknown {
    switch (node[0]) {
      case "undefined":
        return undefined;
      case "primitive":
        return node[1];
      case "number":
        return Number(node[1]);
      case "bigint":
        return BigInt(node[1]);
      case "symbol":
        if (node[1] === "unique") return symbolOf(node[3], node[2]);
        return node[1] === "registered" ? Symbol.for(node[2]) : knownSymbol(node[2]);
      case "builtin":
        return resolveBuiltin(node);
      case "plain":
        return this.#plain()[node[1]];
      case "values":
        return node[1].slice();
      case "object":
        return this.#makeObject(node, id);
      case "proxy":
        return new Proxy(this.get(node[1]) as object, this.get(node[2]) as ProxyHandler<object>);
      case "bound":
        return this.#makeBound(node);
      case "prototypeOf":
        return (this.get(node[1]) as { prototype: object }).prototype;
      case "reduced": {
        const make = this.get(node[1]) as (...args: unknown[]) => unknown;
        const args = node[2].map((ref) => this.get(ref));
        this.#linker.beforeUserCode(this);
        return make(...args);
      }
      case "registered":
        return classByName(node[1]).encoding!.decode(this.getSettled(node[2]) as never);
      case "registeredClass":
        return classByName(node[1]).ctor;
      default:
        return this.#linker.make(node, id, this);
    }
  }

  #plain(): readonly unknown[] {
    const { plainBody, plainShared } = this.#graph.table;
    if (this.#shared.plain) return this.#shared.plain;
    const roots = unpackPlainBody(this.#graph.bodies[plainBody]!);
    // Without sharing it belongs to this reader alone, and is kept for its other roots.
    if (plainShared) for (const root of roots) freezeDeep(root as object);
    this.#shared.plain = roots;
    return roots;
  }

  #makeBound(node: GraphNode & readonly ["bound", ...unknown[]]): unknown {
    this.settle();
    const target = this.get(node[1]) as (...args: unknown[]) => unknown;
    const bound = Function.prototype.bind.call(
      target,
      this.get(node[2]),
      ...node[3].map((ref) => this.get(ref)),
    ) as object;
    this.later(() => this.define(bound, node[4]));
    return bound;
  }

  #makeObject(node: GraphNode & readonly ["object", ...unknown[]], id: number): object {
    const [, base, prototypeRef, records, integrity, privates] = node;
    const prototype = prototypeRef === -1 ? undefined : (this.get(prototypeRef) as object | null);
    let value: object;
    if (privates && prototype) {
      const classes = privates.map(([ctor]) => this.get(ctor) as object);
      this.settle();
      value = this.#linker.makeInstance(classes, prototype);
      if (!base) for (const key of Reflect.ownKeys(value)) Reflect.deleteProperty(value, key);
    } else if (base) {
      value = this.#makeBase(base);
      if (prototype !== undefined) Object.setPrototypeOf(value, prototype);
    } else value = prototype === undefined ? {} : (Object.create(prototype) as object);
    this.preset(id, value);
    this.later(() => {
      this.#fillBase(value, base);
      this.define(value, records);
      for (const [ctor, , refs] of privates ?? []) {
        const values = refs.map((ref) => this.get(ref));
        this.#linker.setPrivates(this.get(ctor) as object, value, values, this);
      }
      this.restrict(value, integrity);
    });
    return value;
  }

  #makeBase(base: NonNullable<Base>): object {
    switch (base[0]) {
      case "array":
        return new Array(base[1]);
      case "date":
        return new Date(base[1]);
      case "regexp": {
        const value = new RegExp(base[1], base[2]);
        value.lastIndex = base[3];
        return value;
      }
      case "map":
        return new Map();
      case "set":
        return new Set();
      case "error":
      case "domException":
        return makeError(base);
      case "boxed":
        return Object(this.get(base[1])) as object;
      case "url":
        return new URL(base[1]);
      case "searchParams":
        return new URLSearchParams(base[1]);
      case "temporal":
        return temporal(base[1], base[2]);
      case "arguments":
        return argumentsObject(base[1].length);
      case "arrayBuffer":
        return this.#makeMemory(base[1], base[2]);
      case "view":
        return this.#makeView(base);
    }
  }

  #fillBase(value: object, base: Base): void {
    if (base?.[0] === "map") {
      const refs = base[1];
      for (let k = 0; k < refs.length; k += 2)
        Map.prototype.set.call(value, this.get(refs[k]!), this.get(refs[k + 1]!));
    } else if (base?.[0] === "set") {
      for (const ref of base[1]) Set.prototype.add.call(value, this.get(ref));
    } else if (base?.[0] === "arguments") {
      base[1].forEach((ref, index) => {
        (value as unknown[])[index] = this.get(ref);
      });
    }
  }

  #makeMemory(body: number, maxByteLength: number | undefined): ArrayBuffer {
    const bytes = this.#graph.bodies[body]!;
    const options = maxByteLength === undefined ? undefined : { maxByteLength };
    const memory = new ArrayBuffer(bytes.byteLength, options);
    new Uint8Array(memory).set(bytes);
    return memory;
  }

  #makeView(base: NonNullable<Base> & readonly ["view", ...unknown[]]): object {
    const [, kind, ref, offset, length] = base;
    const memory = this.get(ref) as ArrayBuffer;
    if (kind === "Buffer") return Buffer.from(memory, offset, length);
    const ctor = (globalThis as unknown as Record<string, ViewConstructor | undefined>)[kind];
    if (!ctor)
      throw new Error(`${kind} is not in this Node (${process.version}); use the same Node as the driver`);
    return new ctor(memory, offset, length);
  }
}

type ViewConstructor = new (memory: ArrayBuffer, offset: number, length?: number) => object;

const INTEGRITY: readonly ((value: object) => void)[] = [
  () => {},
  Object.preventExtensions,
  Object.seal,
  Object.freeze,
];

function argumentsObject(length: number): object {
  const collect = function (..._args: unknown[]): IArguments {
    // biome-ignore lint/complexity/noArguments: an arguments object is what is wanted
    return arguments;
  };
  return collect(...new Array(length).fill(undefined));
}

function temporal(kind: string, text: string): object {
  const classes = (globalThis as { Temporal?: Record<string, { from(text: string): object }> }).Temporal;
  if (!classes)
    throw new Error(`Temporal is not in this Node (${process.version}); use the same Node as the driver`);
  return classes[kind]!.from(text);
}
