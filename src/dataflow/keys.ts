import { isUtf8 } from "node:buffer";
import { UsageError } from "../errors.ts";

/**
 * Keys as bytes whose order is the keys' order and whose equality is the keys' equality (docs/dataflow.md). A key is a tag,
 * then its content; within arrays, objects, maps and sets, strings and bytes end with 00 01, and a 00 of theirs is 00 FF.
 */
const TAG = {
  end: 0x00,
  undefined: 0x01,
  null: 0x02,
  false: 0x03,
  true: 0x04,
  number: 0x10,
  bigint: 0x18,
  string: 0x20,
  /** A string with lone surrogates, which UTF-8 can't hold: its code units, big-endian. */
  units: 0x24,
  bytes: 0x28,
  date: 0x30,
  url: 0x38,
  array: 0x40,
  object: 0x48,
  map: 0x50,
  set: 0x58,
} as const;

export const STRING_TAG = TAG.string;
const MAX_DEPTH = 64;
const SHORT_TEXT = 32;

/** A buffer that grows, for keys one behind the other. */
export class KeyWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacityBytes = 1024) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** Appends a key. @throws UsageError BAD_ARGUMENT for one without equality by structure */
  add(key: unknown): void {
    if (typeof key === "string") this.#text(key, false);
    else this.#value(key, 0);
  }

  /** As `add` with the string whose UTF-8 `text` is. */
  addText(text: Uint8Array): void {
    if (!isUtf8(text)) {
      // The same key as the string that it is read as.
      this.add(Buffer.from(text).toString("utf8"));
      return;
    }
    this.reserve(1 + text.length);
    this.bytes[this.length] = TAG.string;
    this.bytes.set(text, this.length + 1);
    this.length += 1 + text.length;
  }

  addBytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Makes room for so many bytes more. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  #byte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  #text(text: string, nested: boolean): void {
    const size = text.length;
    this.reserve(1 + size * 3);
    const { bytes } = this;
    if (!nested && size <= SHORT_TEXT) {
      let at = this.length;
      bytes[at++] = TAG.string;
      let all = 0;
      for (let i = 0; i < size; i++) {
        const unit = text.charCodeAt(i);
        all |= unit;
        bytes[at++] = unit;
      }
      if (all < 0x80) {
        this.length = at;
        return;
      }
    }
    if (!text.isWellFormed()) {
      const units = Buffer.from(text, "utf16le").swap16();
      this.#body(TAG.units, units, nested);
    } else if (nested) this.#body(TAG.string, Buffer.from(text), true);
    else {
      bytes[this.length++] = TAG.string;
      this.length += bytes.write(text, this.length, "utf8");
    }
  }

  #body(tag: number, body: Uint8Array, nested: boolean): void {
    this.#byte(tag);
    if (!nested) {
      this.addBytes(body);
      return;
    }
    this.reserve(body.length * 2 + 2);
    for (const byte of body) {
      this.bytes[this.length++] = byte;
      if (byte === 0) this.bytes[this.length++] = 0xff;
    }
    this.bytes[this.length++] = 0;
    this.bytes[this.length++] = 1;
  }

  #value(key: unknown, depth: number): void {
    const nested = depth > 0;
    switch (typeof key) {
      case "string":
        this.#text(key, nested);
        break;
      case "number":
        this.#number(TAG.number, key);
        break;
      case "boolean":
        this.#byte(key ? TAG.true : TAG.false);
        break;
      case "undefined":
        this.#byte(TAG.undefined);
        break;
      case "bigint":
        this.#bigint(key);
        break;
      case "object":
        if (key === null) this.#byte(TAG.null);
        else this.#object(key, depth);
        break;
      default:
        throw unfitKey(key);
    }
  }

  #number(tag: number, value: number): void {
    this.reserve(9);
    this.bytes[this.length] = tag;
    // -0 is 0, as in a Map, and there is one NaN, behind Infinity.
    const at = this.length + 1;
    this.bytes.writeDoubleBE(value === 0 ? 0 : Number.isNaN(value) ? Number.NaN : value, at);
    if (value < 0) for (let i = at; i < at + 8; i++) this.bytes[i]! ^= 0xff;
    else this.bytes[at]! ^= 0x80;
    this.length += 9;
  }

  #bigint(value: bigint): void {
    const negative = value < 0n;
    const hex = (negative ? -value : value).toString(16);
    const magnitude = value === 0n ? Buffer.alloc(0) : Buffer.from(hex.length % 2 ? `0${hex}` : hex, "hex");
    const flip = negative ? 0xff : 0;
    this.reserve(6 + magnitude.length);
    this.bytes[this.length++] = TAG.bigint;
    this.bytes[this.length++] = negative ? 0 : 1;
    for (let shift = 24; shift >= 0; shift -= 8)
      this.bytes[this.length++] = ((magnitude.length >>> shift) & 0xff) ^ flip;
    for (const byte of magnitude) this.bytes[this.length++] = byte ^ flip;
  }

  #object(key: object, depth: number): void {
    if (depth >= MAX_DEPTH) throw unfitKey(key, `is nested deeper than ${MAX_DEPTH}, or holds itself`);
    if (key instanceof Uint8Array) this.#body(TAG.bytes, key, depth > 0);
    else if (key instanceof Date) this.#number(TAG.date, key.getTime());
    else if (key instanceof URL) this.#body(TAG.url, Buffer.from(key.href), depth > 0);
    else if (Array.isArray(key)) {
      this.#byte(TAG.array);
      for (let i = 0; i < key.length; i++) this.#value(key[i], depth + 1);
      this.#byte(TAG.end);
    } else if (key instanceof Map) this.#sorted(TAG.map, key.entries(), depth);
    else if (key instanceof Set) this.#sorted(TAG.set, [...key].map((one) => [one]).values(), depth);
    else {
      const prototype = Object.getPrototypeOf(key);
      if (prototype !== Object.prototype && prototype !== null) throw unfitKey(key);
      this.#sorted(TAG.object, Object.entries(key).values(), depth);
    }
  }

  /** Members in the order of their bytes: two maps are equal whatever the order in which they were filled. */
  #sorted(tag: number, members: Iterator<readonly unknown[]>, depth: number): void {
    const encoded: Buffer[] = [];
    for (let next = members.next(); !next.done; next = members.next()) {
      const writer = new KeyWriter(64);
      for (const part of next.value) writer.#value(part, depth + 1);
      encoded.push(writer.bytes.subarray(0, writer.length));
    }
    this.#byte(tag);
    for (const member of encoded.sort(Buffer.compare)) this.addBytes(member);
    this.#byte(TAG.end);
  }
}

function unfitKey(key: unknown, why = "has no equality by structure"): UsageError {
  const what = typeof key === "object" ? `a ${key?.constructor?.name ?? "object"}` : `a ${typeof key}`;
  return new UsageError("BAD_ARGUMENT", `a key of the shuffle is ${what}, which ${why}`, {
    remedy: "Use strings, numbers, bigints, dates, bytes, or arrays and plain objects of them.",
  });
}

/** A key as bytes of its own. @throws UsageError BAD_ARGUMENT */
export function encodeKey(key: unknown): Buffer {
  const writer = new KeyWriter(64);
  writer.add(key);
  return writer.bytes.subarray(0, writer.length);
}

/** The key that the bytes from `start` to `end` are. */
export function decodeKey(bytes: Buffer, start = 0, end = bytes.length): unknown {
  if (bytes[start] === TAG.string) {
    return end - start <= 1 ? "" : bytes.toString("utf8", start + 1, end);
  }
  return new KeyReader(bytes, start, end).value(false);
}

class KeyReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  value(nested: boolean): unknown {
    const tag = this.#bytes[this.#at++];
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.number:
        return this.#number();
      case TAG.bigint:
        return this.#bigint();
      case TAG.string:
        return this.#body(nested).toString("utf8");
      case TAG.units:
        return this.#body(nested).swap16().toString("utf16le");
      case TAG.bytes:
        return new Uint8Array(this.#body(nested));
      case TAG.date:
        return new Date(this.#number());
      case TAG.url:
        return new URL(this.#body(nested).toString("utf8"));
      case TAG.array:
        return this.#members(1).flat();
      case TAG.object:
        return Object.fromEntries(this.#members(2) as [string, unknown][]);
      case TAG.map:
        return new Map(this.#members(2) as [unknown, unknown][]);
      case TAG.set:
        return new Set(this.#members(1).map(([member]) => member));
      default:
        throw new RangeError(`a key of the shuffle has the unknown tag ${tag}`);
    }
  }

  #members(parts: number): unknown[][] {
    const members: unknown[][] = [];
    while (this.#bytes[this.#at] !== TAG.end) {
      members.push(Array.from({ length: parts }, () => this.value(true)));
    }
    this.#at++;
    return members;
  }

  #number(): number {
    const copy = Buffer.from(this.#bytes.subarray(this.#at, this.#at + 8));
    this.#at += 8;
    if (copy[0]! & 0x80) copy[0]! ^= 0x80;
    else for (let i = 0; i < 8; i++) copy[i]! ^= 0xff;
    return copy.readDoubleBE(0);
  }

  #bigint(): bigint {
    const negative = this.#bytes[this.#at++] === 0;
    const flip = negative ? 0xff : 0;
    let length = 0;
    for (let i = 0; i < 4; i++) length = length * 256 + (this.#bytes[this.#at++]! ^ flip);
    const magnitude = Buffer.from(this.#bytes.subarray(this.#at, this.#at + length)).map((b) => b ^ flip);
    this.#at += length;
    const value = length === 0 ? 0n : BigInt(`0x${Buffer.from(magnitude).toString("hex")}`);
    return negative ? -value : value;
  }

  #body(nested: boolean): Buffer {
    if (!nested) return Buffer.from(this.#bytes.subarray(this.#at, this.#end));
    const body: number[] = [];
    for (;;) {
      const byte = this.#bytes[this.#at++]!;
      if (byte !== 0) body.push(byte);
      else if (this.#bytes[this.#at++] === 0xff) body.push(0);
      else return Buffer.from(body);
    }
  }
}
