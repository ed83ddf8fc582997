import * as types from "node:util/types";
import { KingletError } from "../../errors.ts";
import { baseOf, errorPrototype, refuseLiveObject } from "./bases.ts";
import { builtinPath, knownSymbolNames } from "./builtins.ts";
import type { CallableObject, FunctionHook } from "./hooks.ts";
import { symbolId } from "./identity.ts";
import { isBaseKey, naturalPrototype, unsendable } from "./kinds.ts";
import { MemoryWriter } from "./memory.ts";
import type { Base, GraphNode, KeyRef, PropertyRecord, Ref } from "./nodes.ts";
import { type PathStep, propertyText } from "./path.ts";
import { hasOnlyElements, isPlainThroughout, sizeUp } from "./plain.ts";
import { packPlainBody } from "./plain-body.ts";
import { REDUCE, registeredClass, registeredEncoding } from "./registry.ts";
import {
  integrityOf,
  isInline,
  isNatural,
  isObject,
  isPlainShape,
  isValues,
  primitiveNode,
} from "./shapes.ts";
import { type Table, tableOf } from "./tables.ts";

/** Dense arrays of primitives from this length on are one node. */
const VALUES_LENGTH = 32;

interface Pending {
  readonly value: object;
  readonly id: number;
  readonly step: PathStep;
  readonly home: object | undefined;
}

/**
 * Turns values into nodes. `ref` gives a value's reference at once; the work is queued, so that graphs of any
 * depth need no deep stack. `finish` does what can only be known at the end.
 */
export class GraphWriter {
  readonly nodes: GraphNode[] = [];
  readonly bodies: Uint8Array[] = [];
  readonly hook: FunctionHook;
  readonly memory: MemoryWriter = new MemoryWriter(this);
  plainBody = -1;

  readonly #ids = new Map<object | symbol, number>();
  readonly #primitives = new Map<string, number>();
  readonly #queue: Pending[] = [];
  readonly #sizedUp = new Set<object>();
  readonly #bigPlain = new Map<number, Pending>();

  constructor(hook: FunctionHook) {
    this.hook = hook;
  }

  /** The reference of `value`, which is found at `step`; `home` is the object that it is a property of. */
  ref(value: unknown, step: PathStep, home?: object): Ref {
    if (!isObject(value)) return isInline(value) ? [value] : this.#primitive(value);
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const id = this.reserve(value);
    this.#queue.push({ value, id, step, home });
    return id;
  }

  /** A new node that no value stands for. */
  add(node: GraphNode): number {
    this.nodes.push(node);
    return this.nodes.length - 1;
  }

  /** From now on `value` is the node `id`, wherever it is met. */
  alias(value: unknown, id: number): void {
    if ((isObject(value) || typeof value === "symbol") && !this.#ids.has(value)) this.#ids.set(value, id);
  }

  /** The number that `value` has already, if any. */
  known(value: object | symbol): number | undefined {
    return this.#ids.get(value);
  }

  /** A number for `value`, whose node is set later. */
  reserve(value: object): number {
    const id = this.nodes.length;
    this.nodes.push(PENDING);
    this.#ids.set(value, id);
    return id;
  }

  /** Encodes all that is queued. */
  drain(): void {
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) {
      const node = this.#encode(next);
      if (node) this.nodes[next.id] = node;
    }
  }

  /** Settles big plain data and shared memory. Nothing may be added afterwards. */
  finish(): void {
    this.drain();
    while (this.#bigPlain.size > 0 && !this.#writePlain()) this.drain();
    this.memory.finish();
  }

  body(bytes: Uint8Array): number {
    this.bodies.push(bytes);
    return this.bodies.length - 1;
  }

  /** Own properties of `value` but those of `skip`, as records. */
  properties(value: object, step: PathStep, skip: (key: PropertyKey) => boolean = never): PropertyRecord[] {
    const records: PropertyRecord[] = [];
    const isError = types.isNativeError(value);
    for (const key of Reflect.ownKeys(value)) {
      if (skip(key) || (isError && this.hook.isLeftOut(value, key))) continue;
      const descriptor = Object.getOwnPropertyDescriptor(value, key)!;
      const text = propertyText(key);
      const at: PathStep = isError
        ? { parent: step, text, owner: { object: value, key } }
        : { parent: step, text };
      const keyRef: KeyRef = typeof key === "symbol" ? { symbol: this.#primitive(key) } : key;
      const shared = (descriptor.enumerable ? 2 : 0) | (descriptor.configurable ? 4 : 0);
      if ("value" in descriptor) {
        if (isError && typeof descriptor.value === "function" && this.hook.isNodeFunction(descriptor.value))
          continue;
        const ref = this.ref(descriptor.value, at, value);
        const flags = shared | (descriptor.writable ? 1 : 0);
        records.push(flags === 7 ? [keyRef, ref] : [keyRef, ref, flags]);
      } else {
        const getter = descriptor.get ? this.ref(descriptor.get, at, value) : -1;
        records.push([keyRef, getter, shared, descriptor.set ? this.ref(descriptor.set, at, value) : -1]);
      }
    }
    return records;
  }

  /** The reference of a prototype: that of its class where it has one, else by value. */
  prototypeRef(prototype: object, step: PathStep): Ref {
    const ctor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    if (typeof ctor !== "function" || types.isProxy(ctor) || ctor.prototype !== prototype) {
      return this.ref(prototype, { parent: step, text: ".[[Prototype]]" });
    }
    const known = this.#ids.get(prototype);
    if (known !== undefined) return known;
    const classRef = this.ref(ctor, { parent: step, text: ".constructor" });
    const id = this.add(["prototypeOf", classRef]);
    this.#ids.set(prototype, id);
    return id;
  }

  #primitive(value: unknown): number {
    if (typeof value === "symbol") {
      const known = this.#ids.get(value);
      if (known !== undefined) return known;
      const id = this.add(this.#symbolNode(value));
      this.#ids.set(value, id);
      return id;
    }
    const key = `${typeof value}:${Object.is(value, -0) ? "-0" : String(value)}`;
    let id = this.#primitives.get(key);
    if (id === undefined) {
      id = this.add(primitiveNode(value));
      this.#primitives.set(key, id);
    }
    return id;
  }

  #symbolNode(symbol: symbol): GraphNode {
    const registered = Symbol.keyFor(symbol);
    if (registered !== undefined) return ["symbol", "registered", registered];
    const known = knownSymbolNames.get(symbol);
    if (known !== undefined) return ["symbol", "known", known];
    return this.hook.importReference(symbol) ?? ["symbol", "unique", symbol.description, symbolId(symbol)];
  }

  /** The node, or undefined where it is settled at the end. */
  #encode(pending: Pending): GraphNode | undefined {
    const { value, step, home } = pending;
    if (types.isProxy(value)) return this.#encodeProxy(value, step);
    const special = this.#encodeKnown(value);
    if (special) return special;
    if (isPlainShape(value)) return this.#encodePlain(pending);
    if (typeof value === "function") return this.hook.encodeFunction(value as CallableObject, step, home);
    const prototype = Object.getPrototypeOf(value) as object | null;
    const registered = registeredEncoding(prototype);
    if (registered) {
      const data = registered.encoding!.encode(value);
      return ["registered", registered.name, this.ref(data, { parent: step, text: "" })];
    }
    const reduce: unknown = (value as Record<symbol, unknown>)[REDUCE];
    if (typeof reduce === "function") return this.#encodeReduced(value, reduce as () => unknown, step);
    const problem = unsendable(value);
    if (problem) this.hook.fail(step, problem);
    return this.#encodeObject(value, prototype, step);
  }

  #encodeProxy(proxy: object, step: PathStep): GraphNode {
    const parts = this.hook.proxyParts(proxy);
    if (!parts) this.hook.fail(step, { why: "it is a revoked Proxy, or one that can't be looked into here" });
    return [
      "proxy",
      this.ref(parts.target, { parent: step, text: ".[[Target]]" }),
      this.ref(parts.handler, { parent: step, text: ".[[Handler]]" }),
    ];
  }

  #encodePlain(pending: Pending): GraphNode | undefined {
    const { value, step } = pending;
    if (!this.#sizedUp.has(value) && sizeUp(value, this.#sizedUp) === "big") {
      this.#bigPlain.set(pending.id, pending);
      return undefined;
    }
    if (Array.isArray(value) && value.length >= VALUES_LENGTH && isValues(value))
      return ["values", value.slice()];
    return this.#objectNode(value, baseOf(this, value, step), -1, step);
  }

  #encodeKnown(value: object): GraphNode | undefined {
    const isOwn = typeof value === "function" && this.hook.isOwnCode(value);
    const path = isOwn ? undefined : builtinPath(value);
    if (path) return ["builtin", ...path];
    const registered = registeredClass(value);
    if (registered) return ["registeredClass", registered.name];
    return types.isModuleNamespaceObject(value) ? this.hook.importReference(value) : undefined;
  }

  #encodeReduced(value: object, reduce: () => unknown, step: PathStep): GraphNode {
    let reduced: unknown;
    try {
      reduced = reduce.call(value);
    } catch (error) {
      // Kinglet's own handles refuse to travel this way, and say why.
      if (!(error instanceof KingletError)) throw error;
      const [why = "", remedy] = error.message.split("\n    ");
      this.hook.fail(step, { why, ...(remedy ? { remedy } : {}) });
    }
    if (!Array.isArray(reduced) || typeof reduced[0] !== "function") {
      this.hook.fail(step, {
        why: 'its [Symbol.for("kinglet.reduce")]() did not return [function, arguments]',
      });
    }
    const [make, args = []] = reduced as [CallableObject, unknown[]?];
    return [
      "reduced",
      this.ref(make, { parent: step, text: ".[reduce]" }),
      args.map((arg, index) => this.ref(arg, { parent: step, text: `.[reduce][${index}]` })),
    ];
  }

  #encodeObject(value: object, prototype: object | null, step: PathStep): GraphNode | undefined {
    if (types.isModuleNamespaceObject(value)) {
      this.hook.fail(step, { why: "it is a module namespace whose import statement could not be found" });
    }
    const ctor: unknown = Object.getOwnPropertyDescriptor(value, "constructor")?.value;
    if (typeof ctor === "function" && !types.isProxy(ctor) && ctor.prototype === value) {
      return ["prototypeOf", this.ref(ctor, { parent: step, text: ".constructor" })];
    }
    const base = baseOf(this, value, step);
    if (!base) refuseLiveObject(this.hook, value, prototype, step);
    let prototypeRef: Ref = -1;
    if (prototype === null) prototypeRef = [null];
    else {
      const own = base?.[0] === "error" ? errorPrototype(this.hook, prototype) : prototype;
      if (!isNatural(own, naturalPrototype(base, value))) prototypeRef = this.prototypeRef(own, step);
    }
    return this.#objectNode(value, base, prototypeRef, step);
  }

  #objectNode(value: object, base: Base, prototypeRef: Ref, step: PathStep): GraphNode {
    const privates =
      typeof prototypeRef === "number" && prototypeRef >= 0
        ? this.hook.privateFields(value, step)
        : undefined;
    const records =
      base?.[0] === "view"
        ? this.#viewProperties(value, base, step)
        : this.properties(value, step, (key) => isBaseKey(base, key));
    return ["object", base, prototypeRef, records, integrityOf(value), privates];
  }

  /** Elements of typed arrays are not listed one by one: big ones have millions. */
  #viewProperties(value: object, base: Base, step: PathStep): PropertyRecord[] {
    if ((value as Uint8Array).length > VALUES_LENGTH * 32) return [];
    return this.properties(value, step, (key) => isBaseKey(base, key));
  }

  /** Rows that nothing else can refer to: all other big plain data would have to be searched for them. */
  #table({ value }: Pending): Table | undefined {
    if (this.#bigPlain.size > 1 || !Array.isArray(value)) return undefined;
    if (!Object.isExtensible(value) || !hasOnlyElements(value)) return undefined;
    const table = tableOf(value, (row) => this.#ids.has(row));
    return table?.isDistinct || (table && new Set(value).size === value.length) ? table : undefined;
  }

  /**
   * Writes the big plain data as one blob; false if some of it turned out to need nodes, which are queued. What has
   * a node already, because others refer to it too, becomes a root of the blob: there v8 keeps it one object.
   */
  #writePlain(): boolean {
    const roots = new Map<number, object>();
    const refuses = (value: object): boolean => {
      const id = this.#ids.get(value);
      if (id === undefined) return false;
      roots.set(id, value);
      const node = this.nodes[id]!;
      return node !== PENDING && node[0] !== "object" && node[0] !== "values";
    };
    const tables = new Map<number, Table>();
    for (const pending of this.#bigPlain.values()) {
      const table = this.#table(pending);
      if (table) {
        tables.set(roots.size, table);
        roots.set(pending.id, pending.value);
        continue;
      }
      if (isPlainThroughout(pending.value, refuses)) continue;
      this.#bigPlain.delete(pending.id);
      this.#queue.push(pending);
      return false;
    }
    try {
      this.plainBody = this.body(packPlainBody([...roots.values()], tables));
    } catch {
      // A proxy somewhere within: it looks plain, but v8 refuses it.
      this.#queue.push(...this.#bigPlain.values());
      this.#bigPlain.clear();
      return false;
    }
    [...roots.keys()].forEach((id, index) => {
      this.nodes[id] = ["plain", index];
    });
    this.#bigPlain.clear();
    return true;
  }
}

const PENDING: GraphNode = ["undefined"];

function never(): boolean {
  return false;
}
