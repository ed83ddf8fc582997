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
    crc = crc32(chunk, crc);
  }
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32LE(lengthBytes, 0);
  header.writeUInt32LE(crc, 4);
  return [header, ...payload];
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
  if (crc32(payload) !== view.readUInt32LE(at + 4)) return undefined;
  return { offsetBytes: at + baseOffsetBytes, lengthBytes: FRAME_HEADER_BYTES + lengthBytes, payload };
}
