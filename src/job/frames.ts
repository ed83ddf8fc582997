import { crc32 } from "node:zlib";

/**
 * Frames in a log: `length u32 | crc32 u32 | payload`, little-endian. A crash can tear the tail of a log, and only
 * its tail: readers stop at the first frame that is short or whose checksum is wrong (FORMAT.md, "Logs").
 */
export const FRAME_HEADER_BYTES = 8;

/** Chunks of one frame around a payload that is given as chunks (they are not copied). */
export function frameChunks(payload: readonly Uint8Array[]): Uint8Array[] {
  let lengthBytes = 0;
  let crc = 0;
  for (const chunk of payload) {
    lengthBytes += chunk.length;
    crc = checksum(chunk, crc);
  }
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32LE(lengthBytes, 0);
  header.writeUInt32LE(crc, 4);
  return [header, ...payload];
}

/** Up to here a loop is quicker than the call of zlib's own function. */
const LOOP_BYTES = 64;
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 as zlib's, going on from `crc`. */
export function checksum(bytes: Uint8Array, crc = 0): number {
  if (bytes.length > LOOP_BYTES) return crc32(bytes, crc);
  let rest = ~crc;
  for (let i = 0; i < bytes.length; i++) rest = CRC_TABLE[(rest ^ bytes[i]!) & 255]! ^ (rest >>> 8);
  return ~rest >>> 0;
}

const FIRST_BYTES = 4096;
const KEPT_BYTES = 256 * 1024;

/**
 * Frames one behind the other in memory that is used again and again, so that they go out in one small write.
 *
 * @example
 * const start = buffer.begin();
 * buffer.addU32(7);
 * const lengthBytes = buffer.finish(start); // with the frame's header
 */
export class FrameBuffer {
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Of the same memory. Buffer's own methods are JavaScript, and slow until they have run for long. */
  #view = new DataView(this.bytes.buffer);
  /** Where the next byte goes. */
  end = 0;

  clear(): void {
    this.end = 0;
    if (this.bytes.length > KEPT_BYTES) this.#use(Buffer.allocUnsafeSlow(FIRST_BYTES));
  }

  /** Makes sure of `sizeBytes` behind `end`. */
  room(sizeBytes: number): void {
    const needBytes = this.end + sizeBytes;
    if (needBytes <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needBytes, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.end);
    this.#use(grown);
  }

  #use(bytes: Buffer<ArrayBuffer>): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** Begins a frame; its payload comes next. */
  begin(): number {
    const start = this.end;
    this.room(FRAME_HEADER_BYTES);
    this.end = start + FRAME_HEADER_BYTES;
    return start;
  }

  /** Ends the frame that began at `start`; returns its length with the header. */
  finish(start: number): number {
    const { bytes, end } = this;
    const payloadAt = start + FRAME_HEADER_BYTES;
    this.#view.setUint32(start, end - payloadAt, true);
    this.#view.setUint32(start + 4, checksum(bytes.subarray(payloadAt, end)), true);
    return end - start;
  }

  addBytes(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  addText(text: string): void {
    this.room(text.length * 3); // UTF-8 at its longest
    this.end += this.bytes.write(text, this.end);
  }

  addByte(byte: number): void {
    this.room(1);
    this.bytes[this.end++] = byte;
  }

  addU32(value: number): void {
    this.room(4);
    this.#view.setUint32(this.end, value, true);
    this.end += 4;
  }

  addF64(value: number): void {
    this.room(8);
    this.#view.setFloat64(this.end, value, true);
    this.end += 8;
  }
}

export interface Frame {
  /** Where the frame (its header) begins in the log. */
  readonly offsetBytes: number;
  /** Length with the header. */
  readonly lengthBytes: number;
  /** A view, not a copy. */
  readonly payload: Uint8Array;
}

export interface FrameScan {
  readonly frames: Frame[];
  /** Bytes up to the end of the last good frame. */
  readonly goodBytes: number;
  /** True where bytes follow that are no good frame: a torn tail, or damage. */
  readonly torn: boolean;
}

/** All good frames from the start of `bytes`. `baseOffsetBytes` is where `bytes` begins in its log. */
export function scanFrames(bytes: Uint8Array, baseOffsetBytes = 0): FrameScan {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= view.length) {
    const frame = frameAt(view, at, baseOffsetBytes);
    if (!frame) break;
    frames.push(frame);
    at += frame.lengthBytes;
  }
  return { frames, goodBytes: at, torn: at < view.length };
}

/** The frame that begins at `at`, or undefined if it is short or damaged. */
export function frameAt(view: Buffer, at: number, baseOffsetBytes = 0): Frame | undefined {
  if (at + FRAME_HEADER_BYTES > view.length) return undefined;
  const lengthBytes = view.readUInt32LE(at);
  const start = at + FRAME_HEADER_BYTES;
  if (lengthBytes === 0 || start + lengthBytes > view.length) return undefined;
  const payload = view.subarray(start, start + lengthBytes);
  if (checksum(payload) !== view.readUInt32LE(at + 4)) return undefined;
  return { offsetBytes: at + baseOffsetBytes, lengthBytes: FRAME_HEADER_BYTES + lengthBytes, payload };
}
