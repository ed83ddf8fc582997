import { inspect, types } from "node:util";
import { damagedValue, FIRST_BYTE, LANE_BYTES, LANE_HEADER_BYTES, nodeTooOldFor } from "./header.ts";

type View = ArrayBufferView<ArrayBufferLike>;

interface BinaryKind {
  readonly name: string;
  readonly elementBytes: number;
  /** Makes a value of the kind; undefined where this Node hasn't got it. */
  readonly make: ((buffer: ArrayBuffer, offsetBytes: number, lengthBytes: number) => unknown) | undefined;
}

type ViewConstructor = {
  new (buffer: ArrayBuffer, offsetBytes: number, length: number): View;
  readonly prototype: object;
};

/** The kinds in the order of their numbers in the format: only append. */
const KINDS: readonly BinaryKind[] = [
  typedArray("Int8Array", 1),
  typedArray("Uint8Array", 1),
  typedArray("Uint8ClampedArray", 1),
  typedArray("Int16Array", 2),
  typedArray("Uint16Array", 2),
  typedArray("Int32Array", 4),
  typedArray("Uint32Array", 4),
  typedArray("Float32Array", 4),
  typedArray("Float64Array", 8),
  typedArray("BigInt64Array", 8),
  typedArray("BigUint64Array", 8),
  typedArray("DataView", 1),
  { name: "Buffer", elementBytes: 1, make: (buffer, offset, length) => Buffer.from(buffer, offset, length) },
  { name: "ArrayBuffer", elementBytes: 1, make: undefined },
  typedArray("Float16Array", 2),
];
const KIND_BUFFER = 12;
const KIND_ARRAY_BUFFER = 13;

const kindOfPrototype = new Map<object, number>(
  KINDS.flatMap(({ name }, kind): [object, number][] => {
    const made = (globalThis as Record<string, unknown>)[name] as { prototype: object } | undefined;
    return made === undefined ? [] : [[made.prototype, kind]];
  }),
);

/** Up to here a decoded array gets memory of its own, so that its `buffer` is exactly its bytes. */
export const MAX_COPIED_BYTES = 64 * 1024;
/** Up to here an encoded array is copied behind its header: one chunk is cheaper to write than two. */
const MAX_JOINED_BYTES = 4 * 1024;
const MAX_NAMED_ELEMENTS = 64;

/**
 * The number of a binary value's kind, or undefined if it is none that its bytes alone can stand for: a subclass, one
 * with properties of its own, or on memory that is shared, resizable or detached.
 */
export function binaryKindOf(value: object): number | undefined {
  if (types.isProxy(value)) return undefined;
  const kind = kindOfPrototype.get(Object.getPrototypeOf(value));
  if (kind === undefined) return undefined;
  if (kind === KIND_ARRAY_BUFFER) {
    return types.isArrayBuffer(value) && isFixed(value) && hasOnlyElements(value, 0) ? kind : undefined;
  }
  if (!ArrayBuffer.isView(value) || !isFixed(value.buffer)) return undefined;
  const tag = (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  const name = kind === KIND_BUFFER ? "Uint8Array" : KINDS[kind]!.name;
  const elements = types.isDataView(value) ? 0 : (value as Uint8Array).length;
  return tag === name && hasOnlyElements(value, elements) ? kind : undefined;
}

/** Whether this binary value is a slice of Node's pool of small Buffers, which stand for nothing but their own bytes. */
export function isPooledBuffer(value: View, kind: number): boolean {
  return kind === KIND_BUFFER && value.byteLength < value.buffer.byteLength;
}

/** The `bytes` lane: `u8 kind`, five bytes of length, the bytes. They are not copied unless they are few. */
export function encodeBytes(value: object, kind: number): Uint8Array[] {
  const body = bytesOf(value as View | ArrayBuffer);
  const joined = body.byteLength <= MAX_JOINED_BYTES;
  const head = Buffer.allocUnsafe(LANE_HEADER_BYTES + (joined ? body.byteLength : 0));
  head[0] = FIRST_BYTE;
  head[1] = LANE_BYTES;
  head[2] = kind;
  head.writeUIntLE(body.byteLength, 3, 5);
  if (!joined) return [head, body];
  head.set(body, LANE_HEADER_BYTES);
  return [head];
}

/** Big arrays are views of `bytes` where these are aligned; small ones, and ArrayBuffers, are copies. */
export function decodeBytes(bytes: Uint8Array): unknown {
  const lengthBytes = Buffer.from(bytes.buffer, bytes.byteOffset, LANE_HEADER_BYTES).readUIntLE(3, 5);
  if (bytes.byteLength !== LANE_HEADER_BYTES + lengthBytes) {
    throw damagedValue(
      `${lengthBytes} bytes were written, ${bytes.byteLength - LANE_HEADER_BYTES} are there`,
    );
  }
  return makeBinary(bytes[2]!, bytes.subarray(LANE_HEADER_BYTES));
}

export function bytesOf(value: View | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

/** A value of the kind over `body`, or over a copy of it. */
export function makeBinary(kind: number, body: Uint8Array): unknown {
  if (kind === KIND_ARRAY_BUFFER) return ownCopy(body);
  const found = KINDS[kind];
  if (found === undefined) throw damagedValue(`its kind of binary data, ${kind}, is unknown`);
  if (found.make === undefined) throw nodeTooOldFor(`a ${found.name}`);
  const { elementBytes, make } = found;
  if (body.byteLength % elementBytes !== 0) {
    throw damagedValue(`${body.byteLength} bytes are no whole number of elements of a ${found.name}`);
  }
  const aligned = body.byteOffset % elementBytes === 0 && body.buffer instanceof ArrayBuffer;
  if (aligned && body.byteLength > MAX_COPIED_BYTES) {
    return make(body.buffer as ArrayBuffer, body.byteOffset, body.byteLength / elementBytes);
  }
  return make(ownCopy(body), 0, body.byteLength / elementBytes);
}

function ownCopy(body: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(body.byteLength);
  copy.set(body);
  return copy.buffer;
}

function typedArray(name: string, elementBytes: number): BinaryKind {
  const View = (globalThis as Record<string, unknown>)[name] as ViewConstructor | undefined;
  const make =
    View && ((buffer: ArrayBuffer, offset: number, length: number) => new View(buffer, offset, length));
  return { name, elementBytes, make };
}

function isFixed(buffer: ArrayBufferLike): boolean {
  return types.isArrayBuffer(buffer) && !buffer.resizable && !buffer.detached && Object.isExtensible(buffer);
}

/** Whether a value's own properties are its elements alone. Naming each of a million elements would take too long. */
export function hasOnlyElements(value: object, elements: number): boolean {
  if (!Object.isExtensible(value)) return false;
  const fixedNames = Array.isArray(value) ? 1 : 0;
  if (elements > MAX_NAMED_ELEMENTS && inspectsAsElements(value, elements)) return true;
  const { length } = Object.getOwnPropertyNames(value);
  return length === elements + fixedNames && Object.getOwnPropertySymbols(value).length === 0;
}

/** `util.inspect` counts the elements and lists the other properties, in microseconds; its wording is only a shortcut. */
function inspectsAsElements(value: object, elements: number): boolean {
  const isArray = Array.isArray(value);
  const shown = inspect(value, { ...INSPECT_COUNTS, showHidden: isArray });
  if (isArray) return shown === `[ ... ${elements} more items, [length]: ${elements} ]`;
  return /^\w+\(\d+\) (?:\[Uint8Array\] )?\[ \.\.\. \d+ more items \]$/.test(shown);
}

const INSPECT_COUNTS = {
  maxArrayLength: 0,
  maxStringLength: 0,
  depth: 0,
  customInspect: false,
  breakLength: Number.POSITIVE_INFINITY,
} as const;
