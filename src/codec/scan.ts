import { types } from "node:util";
import { binaryKindOf, hasOnlyElements, isPooledBuffer } from "./bytes.ts";

/** Deeper values would overflow V8's stack, which v8.serialize uses one call a level. */
const MAX_DEPTH = 1000;
/** So many visits of objects are made before the scan begins to remember where it has been. */
const MAX_FORGETFUL_VISITS = 1_000_000;
/** Arrays are walked by their keys after so many holes. */
const MAX_HOLES = 1000;

const forEachOfMap = Map.prototype.forEach;
const forEachOfSet = Set.prototype.forEach;

/**
 * Whether everything reachable from `value` is plain data, which v8.serialize brings back exactly: primitives but
 * symbols, plain objects and arrays, Map, Set, Date, RegExp, boxed primitives, typed arrays, ArrayBuffer, DataView,
 * Buffer, with cycles and shared references. Not so: other prototypes, proxies, accessors, symbol keys,
 * non-enumerable, read-only, sealed or frozen properties, extra properties of what is no plain object, two views
 * of one ArrayBuffer, more than 1,000 levels.
 *
 * An array's elements are taken to be ordinary properties: asking each would cost more than v8.serialize.
 *
 * Takes a little less time than v8.serialize for 300,000 small objects (45 ms against 55), far less for numbers and
 * texts. It first runs without remembering where it has
 * been (remembering takes as long again); a cycle then shows as depth, and much sharing as too many visits.
 */
export function isPlainData(value: unknown): boolean {
  const forgetful = new Scan(undefined);
  if (forgetful.isPlain(value, 0)) return true;
  if (!forgetful.mayHaveCycle) return false;
  return new Scan(new Set()).isPlain(value, 0);
}

class Scan {
  /** Set where the answer "no" only means too deep or too many. */
  mayHaveCycle = false;
  readonly #seen: Set<object> | undefined;
  #visits = 0;
  #viewOf: Map<ArrayBufferLike, object> | undefined;

  constructor(seen: Set<object> | undefined) {
    this.#seen = seen;
  }

  isPlain(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "object":
        return value === null || this.#isPlainObject(value, depth);
      case "function":
      case "symbol":
        return false;
      default:
        return true;
    }
  }

  #isPlainObject(value: object, depth: number): boolean {
    if (this.#seen !== undefined) {
      if (this.#seen.has(value)) return true;
      this.#seen.add(value);
    } else {
      this.#visits += 1;
    }
    if (depth > MAX_DEPTH || this.#visits > MAX_FORGETFUL_VISITS) {
      this.mayHaveCycle = this.#seen === undefined;
      return false;
    }
    if (types.isProxy(value) || !Object.isExtensible(value)) return false;
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#hasPlainProperties(value, depth);
    if (prototype === Array.prototype) return Array.isArray(value) && this.#isPlainArray(value, depth);
    return this.#isPlainBuiltin(value, prototype, depth);
  }

  #hasPlainProperties(value: object, depth: number): boolean {
    for (const name of Object.getOwnPropertyNames(value)) {
      const property = Object.getOwnPropertyDescriptor(value, name)!;
      if (!isOrdinary(property) || !this.isPlain(property.value, depth + 1)) return false;
    }
    return Object.getOwnPropertySymbols(value).length === 0;
  }

  #isPlainArray(value: readonly unknown[], depth: number): boolean {
    let holes = 0;
    for (let i = 0; i < value.length; i += 1) {
      const element = value[i];
      if (typeof element === "number" || typeof element === "string") continue;
      if (element === undefined && !(i in value)) {
        holes += 1;
        if (holes > MAX_HOLES) return this.#isPlainSparseArray(value, depth);
      } else if (
        typeof element === "object" ||
        typeof element === "function" ||
        typeof element === "symbol"
      ) {
        if (!this.isPlain(element, depth + 1)) return false;
      }
    }
    return hasOnlyElements(value, value.length - holes);
  }

  #isPlainSparseArray(value: readonly unknown[], depth: number): boolean {
    const names = Object.getOwnPropertyNames(value);
    for (const name of names) {
      if (name === "length") continue;
      const property = Object.getOwnPropertyDescriptor(value, name)!;
      const isElement = String(Number(name) >>> 0) === name;
      if (!isElement || !isOrdinary(property) || !this.isPlain(property.value, depth + 1)) return false;
    }
    return Object.getOwnPropertySymbols(value).length === 0;
  }

  #isPlainBuiltin(value: object, prototype: object | null, depth: number): boolean {
    let plain = true;
    switch (prototype) {
      case Map.prototype:
        if (!types.isMap(value) || !hasOnlyElements(value, 0)) return false;
        forEachOfMap.call(value, (item, key) => {
          plain = plain && this.isPlain(key, depth + 1) && this.isPlain(item, depth + 1);
        });
        return plain;
      case Set.prototype:
        if (!types.isSet(value) || !hasOnlyElements(value, 0)) return false;
        forEachOfSet.call(value, (item) => {
          plain = plain && this.isPlain(item, depth + 1);
        });
        return plain;
      case Date.prototype:
        return types.isDate(value) && hasOnlyElements(value, 0);
      case RegExp.prototype:
        return types.isRegExp(value) && isOrdinaryRegExp(value);
      case Number.prototype:
      case Boolean.prototype:
      case BigInt.prototype:
        return types.isBoxedPrimitive(value) && hasOnlyElements(value, 0);
      case String.prototype:
        return types.isStringObject(value) && hasOnlyElements(value, value.length + 1);
      default:
        return this.#isPlainBinary(value);
    }
  }

  #isPlainBinary(value: object): boolean {
    const kind = binaryKindOf(value);
    if (kind === undefined) return false;
    if (ArrayBuffer.isView(value) && isPooledBuffer(value, kind)) return true;
    const buffer = ArrayBuffer.isView(value) ? value.buffer : (value as ArrayBuffer);
    this.#viewOf ??= new Map();
    const other = this.#viewOf.get(buffer);
    this.#viewOf.set(buffer, value);
    return other === undefined || other === value;
  }
}

/** Data that anyone may read, list, write and delete, as an assignment makes it. */
export function isOrdinary(property: PropertyDescriptor): boolean {
  return property.enumerable === true && property.writable === true && property.configurable === true;
}

/** A RegExp's one own property is `lastIndex`: no enumerable one, and where the search begins isn't sent. */
function isOrdinaryRegExp(value: RegExp): boolean {
  return (
    value.lastIndex === 0 &&
    hasOnlyElements(value, 1) &&
    Object.getOwnPropertyDescriptor(value, "lastIndex")!.writable === true
  );
}
