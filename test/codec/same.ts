import { types } from "node:util";

/**
 * Where two values differ, as a path, or undefined. Stricter than deep equality: prototypes, property attributes and
 * their order, holes, −0, frozenness, the bytes of binary data, and which references are the same object.
 */
export function differenceOf(one: unknown, other: unknown): string | undefined {
  return new Comparison().differ(one, other, "value");
}

class Comparison {
  readonly #partner = new Map<object, object>();
  readonly #partnerOfOther = new Map<object, object>();

  differ(one: unknown, other: unknown, at: string): string | undefined {
    if (typeof one !== "object" || one === null || typeof other !== "object" || other === null) {
      return Object.is(one, other) ? undefined : at;
    }
    if (this.#partner.has(one) || this.#partnerOfOther.has(other)) {
      return this.#partner.get(one) === other && this.#partnerOfOther.get(other) === one
        ? undefined
        : `${at} (shared)`;
    }
    this.#partner.set(one, other);
    this.#partnerOfOther.set(other, one);
    if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return `${at} (prototype)`;
    if (Object.isExtensible(one) !== Object.isExtensible(other)) return `${at} (extensible)`;
    return this.#differInside(one, other, at) ?? this.#differInProperties(one, other, at);
  }

  #differInside(one: object, other: object, at: string): string | undefined {
    if (types.isDate(one)) return this.differ(one.getTime(), (other as Date).getTime(), `${at} (time)`);
    if (types.isRegExp(one)) return String(one) === String(other) ? undefined : `${at} (pattern)`;
    if (types.isBoxedPrimitive(one)) return this.differ(one.valueOf(), other.valueOf(), `${at} (boxed)`);
    if (types.isMap(one)) return this.differ([...one], [...(other as typeof one)], `${at} (entries)`);
    if (types.isSet(one)) return this.differ([...one], [...(other as typeof one)], `${at} (members)`);
    if (types.isArrayBuffer(one))
      return Buffer.compare(Buffer.from(one), Buffer.from(other as ArrayBuffer)) ? at : undefined;
    if (ArrayBuffer.isView(one)) {
      const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
      return Buffer.compare(bytes(one), bytes(other as ArrayBufferView)) ? `${at} (bytes)` : undefined;
    }
    return undefined;
  }

  #differInProperties(one: object, other: object, at: string): string | undefined {
    if (ArrayBuffer.isView(one)) return undefined;
    const keys = Reflect.ownKeys(one);
    const otherKeys = Reflect.ownKeys(other);
    if (keys.length !== otherKeys.length || keys.some((key, i) => key !== otherKeys[i]))
      return `${at} (keys)`;
    for (const key of keys) {
      const property = Object.getOwnPropertyDescriptor(one, key)!;
      const otherProperty = Object.getOwnPropertyDescriptor(other, key)!;
      const place = `${at}.${String(key)}`;
      for (const name of ["enumerable", "writable", "configurable", "get", "set"] as const) {
        if (property[name] !== otherProperty[name]) return `${place} (${name})`;
      }
      const difference = this.differ(property.value, otherProperty.value, place);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
}
