import { types } from "node:util";
import { hasOnlyElements } from "./bytes.ts";
import { damagedValue, FIRST_BYTE } from "./header.ts";
import {
  readByte,
  readFloat64,
  readPrimitive,
  readText,
  readVarint,
  Scratch,
  type Source,
  writePrimitive,
  writeText,
  writeVarint,
} from "./primitive.ts";
import { isOrdinary } from "./scan.ts";

/**
 * Small trees of plain objects, arrays, dates and primitives, which v8.serialize would take 5 µs to begin with.
 * After a primitive's tags come
 *
 *     ARRAY   varint length, then each element, HOLE for one that is missing
 *     OBJECT  varint number of properties, then each key as a text and its value, in the object's order
 *     DATE    float64, milliseconds since the epoch
 *
 * An object that is met twice, and anything that is not plain, is for the other lanes.
 */
const TAG_ARRAY = 10;
const TAG_OBJECT = 11;
const TAG_DATE = 12;
const TAG_HOLE = 13;

/** Beyond these, v8.serialize is as quick. */
const MAX_OBJECTS = 48;
const MAX_ELEMENTS = 64;
const MAX_DEPTH = 16;

const scratch = new Scratch();
const seen: object[] = [];

/** @returns the encoded value, or undefined for one that is not small and plain */
export function encodeSmall(value: unknown): Uint8Array | undefined {
  scratch.at = 1;
  scratch.bytes[0] = FIRST_BYTE;
  if (!write(value, 0)) {
    seen.length = 0;
    return undefined;
  }
  if (seen.length > 0) seen.length = 0;
  return scratch.copy();
}

/** @throws StoreError STORE_CORRUPT */
export function decodeSmall(bytes: Uint8Array, tag: number): unknown {
  const source: Source = { bytes, at: 2 };
  const value = read(source, tag, 0);
  if (source.at !== bytes.byteLength)
    throw damagedValue(`${bytes.byteLength - source.at} bytes follow its end`);
  return value;
}

function write(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return writePrimitive(scratch, value);
  if (types.isProxy(value) || !Object.isExtensible(value)) return false;
  if (depth > MAX_DEPTH || seen.length === MAX_OBJECTS || seen.includes(value)) return false;
  seen.push(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return writeObject(value, depth);
  if (prototype === Array.prototype) return Array.isArray(value) && writeArray(value, depth);
  if (prototype === Date.prototype && types.isDate(value) && hasOnlyElements(value, 0)) {
    if (!scratch.hasRoomFor(10)) return false;
    scratch.bytes[scratch.at++] = TAG_DATE;
    scratch.bytes.writeDoubleLE(Date.prototype.getTime.call(value), scratch.at);
    scratch.at += 8;
    return true;
  }
  return false;
}

function writeObject(value: object, depth: number): boolean {
  const names = Object.getOwnPropertyNames(value);
  if (names.length > MAX_ELEMENTS || !scratch.hasRoomFor(3)) return false;
  scratch.bytes[scratch.at++] = TAG_OBJECT;
  writeVarint(scratch, names.length);
  for (const name of names) {
    const property = Object.getOwnPropertyDescriptor(value, name)!;
    if (!isOrdinary(property) || !writeText(scratch, name) || !write(property.value, depth + 1)) return false;
  }
  return Object.getOwnPropertySymbols(value).length === 0;
}

function writeArray(value: readonly unknown[], depth: number): boolean {
  const { length } = value;
  if (length > MAX_ELEMENTS || !scratch.hasRoomFor(3)) return false;
  scratch.bytes[scratch.at++] = TAG_ARRAY;
  writeVarint(scratch, length);
  let holes = 0;
  for (let i = 0; i < length; i += 1) {
    const element = value[i];
    if (element === undefined && !(i in value)) {
      holes += 1;
      if (!scratch.hasRoomFor(1)) return false;
      scratch.bytes[scratch.at++] = TAG_HOLE;
    } else if (!write(element, depth + 1)) {
      return false;
    }
  }
  return hasOnlyElements(value, length - holes);
}

function read(source: Source, tag: number, depth: number): unknown {
  if (tag < TAG_ARRAY) return readPrimitive(source, tag);
  if (depth > MAX_DEPTH) throw damagedValue("it is nested too deeply");
  switch (tag) {
    case TAG_ARRAY:
      return readArray(source, depth);
    case TAG_OBJECT:
      return readObject(source, depth);
    case TAG_DATE:
      return new Date(readFloat64(source));
    default:
      throw damagedValue(`its tag ${tag} is unknown`);
  }
}

function readArray(source: Source, depth: number): unknown[] {
  const length = readVarint(source);
  if (length > MAX_ELEMENTS) throw damagedValue(`it has an array of ${length} elements`);
  const array: unknown[] = [];
  for (let i = 0; i < length; i += 1) {
    const tag = readByte(source);
    if (tag === TAG_HOLE) array.length = i + 1;
    else array[i] = read(source, tag, depth + 1);
  }
  return array;
}

function readObject(source: Source, depth: number): object {
  const object: Record<string, unknown> = {};
  for (let left = readVarint(source); left > 0; left -= 1) {
    const name = readText(source, readByte(source));
    const value = read(source, readByte(source), depth + 1);
    if (name === "__proto__") Object.defineProperty(object, name, { value, ...ORDINARY });
    else object[name] = value;
  }
  return object;
}

const ORDINARY = { enumerable: true, writable: true, configurable: true } as const;
