import { StoreError } from "../errors.ts";

/**
 * A block: pairs in the order of their keys, column by column.
 * `count u32 | kind of values u32 | bytes of keys u32 | count × end of key u32 | keys | values`
 */
const HEADER_BYTES = 12;
const VALUES = { undefined: 0, int32: 1, float64: 2, codec: 3 } as const;

export const BLOCK_BYTES = 64 * 1024;
const MAX_PAIRS = 16 * 1024;

export type Encode = (value: unknown) => Uint8Array;
/** May give a promise. */
export type Decode = (bytes: Uint8Array) => unknown;

/** Collects pairs until they are a block. */
export class BlockBuilder {
  #keys: Buffer = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
  #keyBytes = 0;
  #ends = new Uint32Array(MAX_PAIRS);
  #values: unknown[] = [];
  readonly #encode: Encode;
  #allInt32 = true;
  #allNumbers = true;
  #valueBytes = 0;

  constructor(encode: Encode) {
    this.#encode = encode;
  }

  get count(): number {
    return this.#values.length;
  }

  get isFull(): boolean {
    return this.#keyBytes + this.#valueBytes >= BLOCK_BYTES || this.#values.length === MAX_PAIRS;
  }

  /** @param sizeBytes of the value, estimated */
  add(keys: Uint8Array, start: number, end: number, value: unknown, sizeBytes: number): void {
    const length = end - start;
    if (this.#keyBytes + length > this.#keys.length) {
      const grown = Buffer.allocUnsafeSlow(2 * (this.#keyBytes + length));
      this.#keys.copy(grown, 0, 0, this.#keyBytes);
      this.#keys = grown;
    }
    if (length <= 32) {
      for (let i = 0; i < length; i++) this.#keys[this.#keyBytes + i] = keys[start + i]!;
    } else this.#keys.set(keys.subarray(start, end), this.#keyBytes);
    this.#keyBytes += length;
    this.#ends[this.#values.length] = this.#keyBytes;
    this.#values.push(value);
    this.#valueBytes += sizeBytes;
    if (typeof value !== "number") this.#allNumbers = this.#allInt32 = false;
    else if ((value | 0) !== value || Object.is(value, -0)) this.#allInt32 = false;
  }

  /** The first key, until `take`. */
  get firstKey(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#keys, 0, this.#ends[0]);
  }

  /** The block's bytes; the builder is empty again. */
  take(): Buffer {
    const { count } = this;
    const [kind, values] = this.#encodedValues();
    const head = Buffer.allocUnsafe(HEADER_BYTES);
    head.writeUInt32LE(count, 0);
    head.writeUInt32LE(kind, 4);
    head.writeUInt32LE(this.#keyBytes, 8);
    const ends = Buffer.from(this.#ends.buffer, 0, 4 * count);
    const block = Buffer.concat([head, ends, this.#keys.subarray(0, this.#keyBytes), values]);
    this.#keyBytes = this.#valueBytes = 0;
    this.#values = [];
    this.#allInt32 = this.#allNumbers = true;
    return block;
  }

  #encodedValues(): [number, Uint8Array] {
    const values = this.#values;
    const bytesOf = (column: Int32Array | Float64Array) => new Uint8Array(column.buffer);
    if (this.#allInt32) return [VALUES.int32, bytesOf(Int32Array.from(values as number[]))];
    if (this.#allNumbers) return [VALUES.float64, bytesOf(Float64Array.from(values as number[]))];
    if (values.every((value) => value === undefined)) return [VALUES.undefined, new Uint8Array()];
    return [VALUES.codec, this.#encode(values)];
  }
}

/** A block that was read. */
export interface Block {
  readonly count: number;
  readonly keys: Buffer;
  readonly ends: Uint32Array;
  readonly values: ArrayLike<unknown>;
}

/** @throws StoreError STORE_CORRUPT */
export async function readBlock(bytes: Buffer, decode: Decode): Promise<Block> {
  const count = bytes.readUInt32LE(0);
  const keysAt = HEADER_BYTES + 4 * count;
  const valuesAt = keysAt + bytes.readUInt32LE(8);
  if (valuesAt > bytes.length) {
    throw new StoreError("STORE_CORRUPT", "a block of the shuffle is shorter than it says");
  }
  const ends = new Uint32Array(aligned(bytes, HEADER_BYTES, keysAt));
  const values = await readValues(bytes.readUInt32LE(4), bytes.subarray(valuesAt), count, decode);
  return { count, keys: bytes.subarray(keysAt, valuesAt), ends, values };
}

async function readValues(
  kind: number,
  bytes: Buffer,
  count: number,
  decode: Decode,
): Promise<ArrayLike<unknown>> {
  switch (kind) {
    case VALUES.undefined:
      return new Array<unknown>(count).fill(undefined);
    case VALUES.int32:
      return new Int32Array(aligned(bytes, 0, bytes.length));
    case VALUES.float64:
      return new Float64Array(aligned(bytes, 0, bytes.length));
    default:
      return (await decode(bytes)) as unknown[];
  }
}

/** A copy in memory of its own, which typed arrays can look at. */
function aligned(bytes: Buffer, start: number, end: number): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end) as ArrayBuffer;
}
