import { damagedValue } from "./header.ts";

/** What can stand in a tree or alone: one byte of tag, then the value. Numbers are little-endian. */
export const TAG_UNDEFINED = 0;
export const TAG_NULL = 1;
export const TAG_FALSE = 2;
export const TAG_TRUE = 3;
/** A varint of the zigzagged number: every integer of 31 bits but −0. */
export const TAG_INTEGER = 4;
export const TAG_FLOAT64 = 5;
/** Hexadecimal digits with an optional "-", as text. */
export const TAG_BIGINT = 6;
/** Texts: a varint of their length in bytes, then the bytes, one a character, as UTF-8, or as UTF-16. */
export const TAG_LATIN1 = 7;
export const TAG_UTF8 = 8;
export const TAG_UTF16 = 9;

const CAPACITY_BYTES = 64 * 1024;
const MAX_LOOPED_CHARS = 32;

/** Where small values are written before they are copied to their own size. No user code runs meanwhile. */
export class Scratch implements Sink {
  readonly bytes = Buffer.allocUnsafeSlow(CAPACITY_BYTES);
  at = 0;

  hasRoomFor(sizeBytes: number): boolean {
    return this.at + sizeBytes <= CAPACITY_BYTES;
  }

  copy(): Uint8Array {
    const copy = new Uint8Array(this.at);
    const { bytes, at } = this;
    if (at > 64) copy.set(bytes.subarray(0, at));
    else for (let i = 0; i < at; i += 1) copy[i] = bytes[i]!;
    return copy;
  }
}

/** A place in bytes that are written. */
export interface Sink {
  readonly bytes: Uint8Array;
  at: number;
}

/** A place in bytes that are read. */
export interface Source {
  readonly bytes: Uint8Array;
  at: number;
}

const floatBytes = new DataView(new ArrayBuffer(8));

/** Writes a primitive. @returns false for what is none, for symbols, and where it would be too long */
export function writePrimitive(out: Scratch, value: unknown): boolean {
  if (!out.hasRoomFor(16)) return false;
  switch (typeof value) {
    case "string":
      return writeText(out, value);
    case "number":
      writeNumber(out, value);
      return true;
    case "boolean":
      out.bytes[out.at++] = value ? TAG_TRUE : TAG_FALSE;
      return true;
    case "undefined":
      out.bytes[out.at++] = TAG_UNDEFINED;
      return true;
    case "bigint":
      out.bytes[out.at++] = TAG_BIGINT;
      return writeText(out, value.toString(16));
    default:
      if (value !== null) return false;
      out.bytes[out.at++] = TAG_NULL;
      return true;
  }
}

function writeNumber(out: Scratch, value: number): void {
  const { bytes } = out;
  if ((value | 0) === value && value < 0x40000000 && value >= -0x40000000 && (value !== 0 || 1 / value > 0)) {
    bytes[out.at++] = TAG_INTEGER;
    writeVarint(out, ((value << 1) ^ (value >> 31)) >>> 0);
    return;
  }
  bytes[out.at++] = TAG_FLOAT64;
  floatBytes.setFloat64(0, value, true);
  for (let i = 0; i < 8; i += 1) bytes[out.at + i] = floatBytes.getUint8(i);
  out.at += 8;
}

export function writeVarint(out: Sink, value: number): void {
  const { bytes } = out;
  let rest = value;
  while (rest > 0x7f) {
    bytes[out.at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[out.at++] = rest;
}

export function writeText(out: Scratch, text: string): boolean {
  const { length } = text;
  if (length > CAPACITY_BYTES || !out.hasRoomFor(length * 3 + 6)) return false;
  const start = out.at;
  if (length <= MAX_LOOPED_CHARS) {
    const { bytes } = out;
    bytes[start] = TAG_LATIN1;
    bytes[start + 1] = length;
    let at = start + 2;
    let seen = 0;
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      seen |= unit;
      bytes[at++] = unit;
    }
    if (seen <= 0xff) {
      out.at = at;
      return true;
    }
  }
  const { tag, encoding, sizeBytes } = textForm(text);
  out.bytes[out.at++] = tag;
  writeVarint(out, sizeBytes);
  out.bytes.write(text, out.at, encoding);
  out.at += sizeBytes;
  return true;
}

interface TextForm {
  readonly tag: number;
  readonly encoding: BufferEncoding;
  readonly sizeBytes: number;
}

/** The shortest form that keeps the text as it is; halves of surrogate pairs have no UTF-8. */
function textForm(text: string): TextForm {
  const utf8Bytes = Buffer.byteLength(text);
  if (utf8Bytes === text.length) return { tag: TAG_LATIN1, encoding: "latin1", sizeBytes: utf8Bytes };
  if (text.isWellFormed()) return { tag: TAG_UTF8, encoding: "utf8", sizeBytes: utf8Bytes };
  return { tag: TAG_UTF16, encoding: "utf16le", sizeBytes: text.length * 2 };
}

/** A text of any length as an encoded value of its own. */
export function encodeLongText(firstByte: number, text: string): Uint8Array {
  const { tag, encoding, sizeBytes } = textForm(text);
  const head = { bytes: new Uint8Array(8), at: 2 };
  head.bytes[0] = firstByte;
  head.bytes[1] = tag;
  writeVarint(head, sizeBytes);
  const bytes = Buffer.allocUnsafe(head.at + sizeBytes);
  bytes.set(head.bytes.subarray(0, head.at));
  bytes.write(text, head.at, encoding);
  return bytes;
}

/** Reads what follows a primitive's tag. @throws StoreError STORE_CORRUPT */
export function readPrimitive(source: Source, tag: number): unknown {
  switch (tag) {
    case TAG_UNDEFINED:
      return undefined;
    case TAG_NULL:
      return null;
    case TAG_FALSE:
      return false;
    case TAG_TRUE:
      return true;
    case TAG_INTEGER: {
      const zigzag = readVarint(source);
      return (zigzag >>> 1) ^ -(zigzag & 1);
    }
    case TAG_FLOAT64:
      return readFloat64(source);
    case TAG_BIGINT:
      return parseBigInt(readText(source, readByte(source)));
    default:
      return readText(source, tag);
  }
}

export function readFloat64(source: Source): number {
  const start = take(source, 8);
  for (let i = 0; i < 8; i += 1) floatBytes.setUint8(i, source.bytes[start + i]!);
  return floatBytes.getFloat64(0, true);
}

export function readByte(source: Source): number {
  return source.bytes[take(source, 1)]!;
}

export function readVarint(source: Source): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(source);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
  throw damagedValue("it has an endless number");
}

export function readText(source: Source, tag: number): string {
  if (tag < TAG_LATIN1 || tag > TAG_UTF16) throw damagedValue(`its tag ${tag} is unknown`);
  const sizeBytes = readVarint(source);
  const start = take(source, sizeBytes);
  const slice = tag === TAG_LATIN1 ? text.latin1Slice : tag === TAG_UTF8 ? text.utf8Slice : text.ucs2Slice;
  return slice.call(source.bytes, start, start + sizeBytes);
}

/** Node's own readers of text, which take any Uint8Array: making a Buffer for each text would cost more than reading. */
const text = Buffer.prototype as unknown as Record<
  "latin1Slice" | "utf8Slice" | "ucs2Slice",
  (this: Uint8Array, start: number, end: number) => string
>;

/** Steps over bytes that must be there. @returns where they start */
function take(source: Source, sizeBytes: number): number {
  const start = source.at;
  source.at = start + sizeBytes;
  if (source.at > source.bytes.byteLength) throw damagedValue("it ends too early");
  return start;
}

function parseBigInt(digits: string): bigint {
  if (!/^-?[0-9a-f]+$/.test(digits)) throw damagedValue("it holds a bigint of other than hexadecimal digits");
  return digits.startsWith("-") ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
}
