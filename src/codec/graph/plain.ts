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

/** Levels of nesting that v8 is trusted with. */
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
    const before = queue.length;
    const bytes = plainChildren(value, queue);
    if (bytes < 0) return "odd";
    sizeBytes += bytes;
    if (next >= BIG_OBJECTS || sizeBytes >= BIG_BYTES || queue.length - before > BIG_OBJECTS) return "big";
  }
  return "small";
}

/**
 * True if all of `root` is plain, so that it may become part of a blob. `refuses` is asked for each object; it can
 * note those that others refer to, or stop at one that must not be copied.
 */
export function isPlainThroughout(root: object, refuses: (value: object) => boolean): boolean {
  return walkPlain(root, refuses, undefined) ?? walkPlain(root, refuses, new Set())!;
}

/** Without `visited`, undefined as soon as an object turns up twice: cyclic data needs the full bookkeeping. */
function walkPlain(
  root: object,
  refuses: (value: object) => boolean,
  visited: Set<object> | undefined,
): boolean | undefined {
  const sampled = new Set<object>();
  let count = 0;
  let level: object[] = [root];
  // v8 recurses into values: deep ones would overflow its stack.
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return false;
    const next: object[] = [];
    for (const value of level) {
      if (refuses(value)) return false;
      if (visited) {
        if (visited.has(value)) continue;
        visited.add(value);
      } else {
        // Objects never put in a Set are told apart quickly, hence samples: a cycle soon meets one of them.
        if (sampled.has(value)) return undefined;
        if (++count % SAMPLE_EVERY === 0) sampled.add(value);
      }
      if (plainChildren(value, next) < 0) return false;
    }
    level = next;
  }
  return true;
}

/**
 * Pushes the objects that `value` holds and returns its estimated size in bytes; -1 if it isn't plain: another
 * prototype, an accessor, a symbol, a function, a hole, a property that isn't ordinary.
 */
function plainChildren(value: object, out: object[]): number {
  const prototype = getPrototypeOf(value);
  if (prototype === objectPrototype) return objectChildren(value as Record<string, unknown>, out);
  if (prototype === arrayPrototype) return Array.isArray(value) ? arrayChildren(value, out) : -1;
  if (!isExtensible(value)) return -1;
  if (getOwnPropertyNames(value).length > 0 || getOwnPropertySymbols(value).length > 0) return -1;
  if (prototype === Map.prototype && isMap(value)) {
    for (const [key, item] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
      if (!isPlainValue(key, out) || !isPlainValue(item, out)) return -1;
    }
    return 32 + 16 * value.size;
  }
  if (prototype === Set.prototype && isSet(value)) {
    for (const item of Set.prototype.values.call(value) as SetIterator<unknown>) {
      if (!isPlainValue(item, out)) return -1;
    }
    return 32 + 8 * value.size;
  }
  return prototype === Date.prototype && isDate(value) ? 16 : -1;
}

function objectChildren(value: Record<string, unknown>, out: object[]): number {
  if (!isExtensible(value) || getOwnPropertySymbols(value).length > 0) return -1;
  const names = getOwnPropertyNames(value);
  let sizeBytes = 16;
  for (let k = 0; k < names.length; k++) {
    const name = names[k]!;
    const descriptor = getOwnPropertyDescriptor(value, name)!;
    if (!descriptor.writable || !descriptor.enumerable || !descriptor.configurable) return -1;
    const item: unknown = descriptor.value;
    if (typeof item === "object") {
      if (item !== null) out.push(item);
      sizeBytes += 8;
    } else if (typeof item === "string") sizeBytes += 8 + item.length;
    else if (typeof item === "function" || typeof item === "symbol") return -1;
    else sizeBytes += 8;
    // An object with its own idea of what it is (a thenable, an iterator) is left to the nodes.
    if (name === "__proto__" || name === "constructor") return -1;
  }
  // Numbers, strings and the like boxed as objects, arguments objects, errors made plain: their names give them away.
  return isOrdinary(value, names) ? sizeBytes : -1;
}

/** Boxed primitives, regular expressions and so on have a changed prototype only if someone set it; rule them out. */
function isOrdinary(value: object, names: readonly string[]): boolean {
  return names.length > 0 || objectPrototype.toString.call(value) === "[object Object]";
}

function arrayChildren(value: readonly unknown[], out: object[]): number {
  if (!isExtensible(value) || keys(value).length !== value.length) return -1;
  if (getOwnPropertySymbols(value).length > 0) return -1;
  let sizeBytes = 16;
  for (let k = 0; k < value.length; k++) {
    const item = value[k];
    if (typeof item === "object") {
      if (item !== null) out.push(item);
      sizeBytes += 8;
    } else if (item === undefined && !Object.hasOwn(value, k)) return -1;
    else if (typeof item === "string") sizeBytes += 8 + item.length;
    else if (typeof item === "function" || typeof item === "symbol") return -1;
    else sizeBytes += 8;
  }
  return sizeBytes;
}

function isPlainValue(value: unknown, out: object[]): boolean {
  if (typeof value === "object" && value !== null) out.push(value);
  return typeof value !== "function" && typeof value !== "symbol";
}
