import * as types from "node:util/types";
import { serialize } from "node:v8";
import { KingletError } from "../../errors.ts";
import { builtinPath, isNative, knownSymbolNames, nodeFunctionPath } from "./builtins.ts";
import { errorBase } from "./errors.ts";
import type { CallableObject, FunctionHook } from "./hooks.ts";
import { symbolId } from "./identity.ts";
import { isBaseKey, liveProblem, naturalPrototype, simpleBase, unsendable } from "./kinds.ts";
import { MemoryWriter } from "./memory.ts";
import type { Base, GraphNode, Integrity, KeyRef, PropertyRecord, Ref } from "./nodes.ts";
import { type PathStep, propertyText } from "./path.ts";
import { isPlainThroughout, sizeUp } from "./plain.ts";
import { REDUCE, registeredClass, registeredEncoding } from "./registry.ts";

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
  plainBody = -1;

  readonly #ids = new Map<object | symbol, number>();
  readonly #primitives = new Map<string, number>();
  readonly #queue: Pending[] = [];
  readonly #sizedUp = new Set<object>();
  readonly #bigPlain = new Map<number, Pending>();
  readonly #memory = new MemoryWriter(this);

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
    this.#memory.finish();
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
    const { value, id, step, home } = pending;
    if (types.isProxy(value)) return this.#encodeProxy(value, step);
    const special = this.#encodeKnown(value);
    if (special) return special;
    if (isPlainShape(value)) return this.#encodePlain(pending);
    if (typeof value === "function") return this.#encodeFunction(value as CallableObject, id, step, home);
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
    return this.#objectNode(value, this.#base(value, step), -1, step);
  }

  #encodeKnown(value: object): GraphNode | undefined {
    const path = builtinPath(value);
    if (path) return ["builtin", ...path];
    const registered = registeredClass(value);
    if (registered) return ["registeredClass", registered.name];
    return types.isModuleNamespaceObject(value) ? this.hook.importReference(value) : undefined;
  }

  #encodeFunction(fn: CallableObject, id: number, step: PathStep, home: object | undefined): GraphNode {
    return this.hook.encodeFunction(fn, id, step, home);
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
    const base = this.#base(value, step);
    if (!base) this.#refuseLiveObjects(value, prototype, step);
    let prototypeRef: Ref = -1;
    if (prototype === null) prototypeRef = [null];
    else {
      const own = base?.[0] === "error" ? this.#errorPrototype(prototype) : prototype;
      if (!isNatural(own, naturalPrototype(base, value))) prototypeRef = this.prototypeRef(own, step);
    }
    return this.#objectNode(value, base, prototypeRef, step);
  }

  /** Node gives most of its errors classes that nobody can name: they arrive as what these extend. */
  #errorPrototype(prototype: object): object {
    for (let owner = prototype; ; owner = Object.getPrototypeOf(owner) as object) {
      const { value, get } = Object.getOwnPropertyDescriptor(owner, "constructor") ?? {};
      const made: unknown = value ?? get;
      if (typeof made !== "function" || isNative(made) || types.isProxy(made)) return owner;
      if (!this.hook.isNodeFunction(made) || nodeFunctionPath(made)) return owner;
    }
  }

  #base(value: object, step: PathStep): Base {
    if (Array.isArray(value)) return ["array", value.length];
    if (types.isMap(value)) {
      const refs: Ref[] = [];
      for (const [key, item] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
        const name = typeof key === "string" ? JSON.stringify(key) : String(refs.length / 2);
        refs.push(this.ref(key, { parent: step, text: `.key(${refs.length / 2})` }));
        refs.push(this.ref(item, { parent: step, text: `.get(${name})` }));
      }
      return ["map", refs];
    }
    if (types.isSet(value)) {
      const items = [...(Set.prototype.values.call(value) as SetIterator<unknown>)];
      return ["set", items.map((item, index) => this.ref(item, { parent: step, text: `.item(${index})` }))];
    }
    if (types.isArgumentsObject(value)) {
      const items = Array.from(value as unknown as ArrayLike<unknown>);
      return ["arguments", items.map((item, index) => this.ref(item, { parent: step, text: `[${index}]` }))];
    }
    if (types.isArrayBuffer(value)) return this.#memory.bufferBase(value);
    if (types.isArrayBufferView(value)) return this.#memory.viewBase(value, step);
    if (types.isBoxedPrimitive(value)) {
      return [
        "boxed",
        this.ref((value as { valueOf(): unknown }).valueOf(), { parent: step, text: ".valueOf()" }),
      ];
    }
    return simpleBase(value) ?? errorBase(value, (stack) => this.hook.mapStack(stack)) ?? null;
  }

  /** An instance whose class is Node's own, or native, has state that can't be seen. */
  #refuseLiveObjects(value: object, prototype: object | null, step: PathStep): void {
    for (
      let owner = prototype;
      owner && !isPlainPrototype(owner);
      owner = Object.getPrototypeOf(owner) as object | null
    ) {
      if (types.isProxy(owner)) return;
      const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
      if (typeof ctor !== "function" || types.isProxy(ctor)) continue;
      const name = constructorName(value) || ctor.name;
      if (!isNative(ctor) && !this.hook.isNodeFunction(ctor)) continue;
      const path = builtinPath(ctor) ?? nodeFunctionPath(ctor);
      if (path?.[0] === "global" && path[1] === "Object") continue;
      this.hook.fail(step, liveProblem(name, path?.[0] === "module" ? String(path[1]) : undefined));
    }
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
    for (const pending of this.#bigPlain.values()) {
      if (isPlainThroughout(pending.value, refuses)) continue;
      this.#bigPlain.delete(pending.id);
      this.#queue.push(pending);
      return false;
    }
    try {
      this.plainBody = this.body(serialize([...roots.values()]));
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

export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function isInline(value: unknown): value is null | string | boolean | number {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return value === null || typeof value === "string" || typeof value === "boolean";
}

function primitiveNode(value: unknown): GraphNode {
  if (value === undefined) return ["undefined"];
  if (typeof value === "bigint") return ["bigint", String(value)];
  return ["number", Object.is(value, -0) ? "-0" : (String(value) as "NaN")];
}

function isValues(list: readonly unknown[]): boolean {
  return list.every(isInline) && Object.keys(list).length === list.length;
}

/** An ordinary object, array, Map or Set with nothing to hide: no class, no tag, not an iterator. */
function isPlainShape(value: object): boolean {
  const prototype = typeof value === "function" ? undefined : (Object.getPrototypeOf(value) as object | null);
  if (prototype === Map.prototype || prototype === Set.prototype)
    return types.isMap(value) || types.isSet(value);
  if (prototype !== Object.prototype && !(prototype === Array.prototype && Array.isArray(value)))
    return false;
  if (types.isArgumentsObject(value) || Object.hasOwn(value, "constructor") || REDUCE in value) return false;
  return (
    !types.isModuleNamespaceObject(value) &&
    !types.isNativeError(value) &&
    !Object.hasOwn(value, Symbol.toStringTag)
  );
}

/** Object.prototype, of this or another realm. */
export function isPlainPrototype(prototype: object): boolean {
  if (prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "__lookupGetter__");
}

function isNatural(prototype: object, natural: object | null): boolean {
  if (prototype === natural) return true;
  if (natural === null || types.isProxy(prototype)) return false;
  // The same builtin of another realm, a vm context's.
  const ctor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof ctor === "function" && ctor.name === natural.constructor.name && isNative(ctor);
}

export function integrityOf(value: object): Integrity {
  if (Object.isExtensible(value)) return 0;
  if (ArrayBuffer.isView(value)) return 1;
  return Object.isFrozen(value) ? 3 : Object.isSealed(value) ? 2 : 1;
}

function constructorName(value: object): string {
  for (let owner: object | null = value; owner; owner = Object.getPrototypeOf(owner) as object | null) {
    const ctor: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
    if (typeof ctor === "function" && !types.isProxy(ctor)) return ctor.name;
  }
  return "";
}
