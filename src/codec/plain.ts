import { Deserializer, Serializer, serialize } from "node:v8";
import { StoreError } from "../errors.ts";
import { binaryKindOf, bytesOf, makeBinary } from "./bytes.ts";
import { damagedValue, FIRST_BYTE, LANE_HEADER_BYTES, LANE_PLAIN, nodeTooOldFor } from "./header.ts";

/**
 * The `plain` lane: header with the length of V8's bytes as `u32` at 4; V8's bytes; then the attachments, each
 * padded to start at a multiple of 8. Typed arrays are V8 host objects:
 *
 *     u32 kind (see bytes.ts), u64 length in bytes, u32 1 if attached (in order) or 0 if the bytes follow here
 */
const MIN_ATTACHED_BYTES = 16 * 1024;
const PADDING = new Uint8Array(8);

/** The version of V8's format that this Node writes; it reads that and all before it. */
const v8Format = (): number => serialize(null)[1]!;

/** @param value plain data only, see isPlainData. @throws what v8.serialize throws */
export function encodePlain(value: unknown): Uint8Array[] {
  const writer = new PlainWriter();
  writer.writeRawBytes(new Uint8Array([FIRST_BYTE, LANE_PLAIN, 0, 0, 0, 0, 0, 0]));
  writer.writeHeader();
  writer.writeValue(value);
  const body = writer.releaseBuffer();
  body.writeUInt32LE(body.byteLength - LANE_HEADER_BYTES, 4);
  const chunks: Uint8Array[] = [body];
  let at = body.byteLength;
  for (const attached of writer.attachments) {
    const padding = -at & 7;
    if (padding > 0) chunks.push(PADDING.subarray(0, padding));
    chunks.push(attached);
    at += padding + attached.byteLength;
  }
  return chunks;
}

/** Big arrays are views of `bytes` where these are aligned. @throws StoreError STORE_CORRUPT, STORE_VERSION */
export function decodePlain(bytes: Uint8Array): unknown {
  const lengthBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const end = LANE_HEADER_BYTES + lengthBytes;
  if (end > bytes.byteLength) throw damagedValue(`${lengthBytes} bytes were written, fewer are there`);
  const body = bytes.subarray(LANE_HEADER_BYTES, end);
  if (body[0] === 0xff && body[1]! > v8Format())
    throw nodeTooOldFor(`data in version ${body[1]} of V8's format`);
  const reader = new PlainReader(body, bytes, end);
  try {
    reader.readHeader();
    const value = reader.readValue();
    reader.checkEnd();
    return value;
  } catch (error) {
    throw error instanceof StoreError ? error : damagedValue("V8 can't read it", error);
  }
}

class PlainWriter extends Serializer {
  readonly attachments: Uint8Array[] = [];

  constructor() {
    super();
    (this as unknown as SerializerHooks)._setTreatArrayBufferViewsAsHostObjects(true);
  }

  /** Called by V8 for each typed array. */
  _writeHostObject(value: ArrayBufferView): void {
    const kind = binaryKindOf(value);
    if (kind === undefined) throw new TypeError("not plain data");
    const body = bytesOf(value);
    const attached = body.byteLength >= MIN_ATTACHED_BYTES;
    this.writeUint32(kind);
    this.writeUint64(Math.floor(body.byteLength / 2 ** 32), body.byteLength >>> 0);
    this.writeUint32(attached ? 1 : 0);
    if (attached) this.attachments.push(body);
    else this.writeRawBytes(body);
  }
}

interface SerializerHooks {
  _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void;
}

class PlainReader extends Deserializer {
  readonly #whole: Uint8Array;
  #attachedAt: number;

  constructor(body: Uint8Array, whole: Uint8Array, attachedAt: number) {
    super(body);
    this.#whole = whole;
    this.#attachedAt = attachedAt;
  }

  /** Called by V8 for each typed array. */
  _readHostObject(): unknown {
    const kind = this.readUint32();
    const [high, low] = this.readUint64() as unknown as [number, number];
    const lengthBytes = high * 2 ** 32 + low;
    if (this.readUint32() === 0) return makeBinary(kind, this.readRawBytes(lengthBytes));
    const start = this.#attachedAt + (-this.#attachedAt & 7);
    this.#attachedAt = start + lengthBytes;
    if (this.#attachedAt > this.#whole.byteLength) throw damagedValue("an array in it is cut off");
    return makeBinary(kind, this.#whole.subarray(start, this.#attachedAt));
  }

  checkEnd(): void {
    const more = this.#whole.byteLength - this.#attachedAt;
    if (more !== 0) throw damagedValue(`${more} bytes follow its end`);
  }
}
