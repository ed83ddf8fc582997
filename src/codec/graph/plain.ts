import { type InspectOptions, inspect } from "node:util";
import { isDate, isMap, isSet } from "node:util/types";

/**
 * The fast lane for big plain data inside a graph: arrays, plain objects, Map, Set and Date that hold nothing
 * else are written by `v8.serialize` as one blob, several times faster than as nodes.
 */

/** From these sizes on data counts as big: objects, or estimated bytes. */
export const BIG_OBJECTS = 1_000;
export const BIG_BYTES = 64 * 1024;

/** Sharing within the data is looked for by remembering one object in so many. */
const SAMPLE_EVERY = 64;

/** Levels of nesting that v8, which recurses into values, is trusted with. */
const DEEPEST = 500;

const {
  getOwnPropertyDescriptor,
  getOwnPropertyNames,
  getOwnPropertySymbols,
  getPrototypeOf,
  isExtensible,
  keys,
} = Object;
const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;

/** Size of plain data, or what disproves that it is plain. */
export type PlainSize = "small" | "big" | "odd";

/**
 * Looks at the first objects of `root`, breadth first, until it is known to be big, odd, or small.
 * Objects that were looked at are added to `seen`, so that no one looks twice.
 */
export function sizeUp(root: object, seen: Set<object>): PlainSize {
  const queue: object[] = [root];
  let sizeBytes = 0;
  for (let next = 0; next < queue.length; next++) {
    const value = queue[next]!;
    if (seen.has(value)) continue;
    seen.add(value);
    const items = Array.isArray(value) ? value.length : isMap(value) || isSet(value) ? value.size : 0;
    if (next >= BIG_OBJECTS || sizeBytes >= BIG_BYTES || items > BIG_OBJECTS) return "big";
    if (!isPlain(value, queue)) return "odd";
    sizeBytes += estimatedBytes(value);
  }
  return sizeBytes >= BIG_BYTES ? "big" : "small";
}

function estimatedBytes(value: object): number {
  let sizeBytes = 16;
  for (const item of isMap(value) || isSet(value) ? [...value].flat() : Object.values(value)) {
    sizeBytes += typeof item === "string" ? 8 + item.length : 8;
  }
  return sizeBytes;
}

/**
 * True if all of `root` is plain, so that it may become part of a blob. `refuses` is asked for each object; it can
 * note those that others refer to, or stop at one that must not be copied.
 */
export function isPlainThroughout(root: object, refuses: (value: object) => boolean): boolean {
  return isPlainTree(root, refuses) ?? isPlainGraph(root, refuses);
}

/** Level by level, without keeping books: undefined as soon as an object turns up twice. */
function isPlainTree(root: object, refuses: (value: object) => boolean): boolean | undefined {
  // Objects never put in a Set are told apart quickly, hence samples: who goes in circles soon meets one of them.
  const sampled = new Set<object>();
  let count = 0;
  let level: object[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return undefined;
    const next: object[] = [];
    for (const value of level) {
      if (sampled.has(value)) return undefined;
      if (++count % SAMPLE_EVERY === 0) sampled.add(value);
      if (refuses(value) || !isPlain(value, next)) return false;
    }
    level = next;
  }
  return true;
}

/** Each object once, in the order in which v8 will recurse into them: it must not get too deep. */
function isPlainGraph(root: object, refuses: (value: object) => boolean): boolean {
  const visited = new Set<object>([root]);
  const path: { readonly children: readonly object[]; next: number }[] = [];
  for (let value: object | undefined = root; ; ) {
    if (value) {
      const children: object[] = [];
      if (path.length > DEEPEST || refuses(value) || !isPlain(value, children)) return false;
      path.push({ children, next: 0 });
    }
    const top = path.at(-1);
    if (!top) return true;
    value = top.children[top.next++];
    if (!value) path.pop();
    else if (visited.has(value)) value = undefined;
    else visited.add(value);
  }
}

/**
 * Whether `value` itself is plain: no other prototype, accessor, symbol, function, hole, or property that isn't
 * ordinary. Pushes the objects that it holds. This is asked of each object of big data: it is written to be fast.
 */
function isPlain(value: object, out: object[]): boolean {
  const prototype = getPrototypeOf(value);
  if (prototype === objectPrototype) return isPlainObject(value, out);
  if (prototype === arrayPrototype) return Array.isArray(value) && isPlainArray(value, out);
  if (!isExtensible(value)) return false;
  if (getOwnPropertyNames(value).length > 0 || getOwnPropertySymbols(value).length > 0) return false;
  if (prototype === Map.prototype && isMap(value)) {
    for (const [key, item] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
      if (!isPlainValue(key, out) || !isPlainValue(item, out)) return false;
    }
    return true;
  }
  if (prototype === Set.prototype && isSet(value)) {
    for (const item of Set.prototype.values.call(value) as SetIterator<unknown>) {
      if (!isPlainValue(item, out)) return false;
    }
    return true;
  }
  return prototype === Date.prototype && isDate(value);
}

function isPlainObject(value: object, out: object[]): boolean {
  if (!isExtensible(value) || getOwnPropertySymbols(value).length > 0) return false;
  const names = getOwnPropertyNames(value);
  // Boxed primitives and the like have this prototype only if someone set it.
  if (names.length === 0) return objectPrototype.toString.call(value) === "[object Object]";
  for (let k = 0; k < names.length; k++) {
    const name = names[k]!;
    const descriptor = getOwnPropertyDescriptor(value, name)!;
    if (!descriptor.writable || !descriptor.enumerable || !descriptor.configurable) return false;
    const item: unknown = descriptor.value;
    if (typeof item === "object") {
      if (item !== null) out.push(item);
    } else if (typeof item === "function" || typeof item === "symbol") return false;
    if (name === "__proto__" || name === "constructor") return false;
  }
  return true;
}

function isPlainArray(value: readonly unknown[], out: object[]): boolean {
  if (!isExtensible(value) || !hasOnlyElements(value)) return false;
  for (let k = 0; k < value.length; k++) {
    const item = value[k];
    if (typeof item === "object") {
      if (item !== null) out.push(item);
    } else if (typeof item === "function" || typeof item === "symbol") return false;
    else if (item === undefined && !Object.hasOwn(value, k)) return false;
  }
  return true;
}

/** No property but elements, of which some may be missing. */
export function hasOnlyElements(value: readonly unknown[]): boolean {
  // Listing the keys of a long array makes a string for each element; `inspect` skips them.
  if (value.length > BIG_OBJECTS && inspect(value, NAMED_ONLY) === onlyElements(value.length)) return true;
  return keys(value).length === value.length && getOwnPropertySymbols(value).length === 0;
}

const NAMED_ONLY: InspectOptions = {
  maxArrayLength: 0,
  depth: 0,
  showHidden: true,
  customInspect: false,
  compact: true,
  breakLength: Number.POSITIVE_INFINITY,
};

function onlyElements(length: number): string {
  return `[ ... ${length} more items, [length]: ${length} ]`;
}

function isPlainValue(value: unknown, out: object[]): boolean {
  if (typeof value === "object" && value !== null) out.push(value);
  return typeof value !== "function" && typeof value !== "symbol";
}
