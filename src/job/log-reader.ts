import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { FRAME_HEADER_BYTES, type Frame, frameAt, scanFrames } from "./frames.ts";

const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Calls `onFrame` for each good frame of a log, from `fromBytes` up to `uptoBytes` (default: its end), in bounded
 * memory. Frames' payloads are views that are valid only during the call.
 * @returns the offset after the last good frame; less than the log's size where its tail is torn or still growing.
 */
export async function readLog(
  store: ObjectStore,
  key: string,
  onFrame: (frame: Frame) => void,
  fromBytes = 0,
  uptoBytes = Number.POSITIVE_INFINITY,
): Promise<number> {
  let at = fromBytes;
  let windowBytes = WINDOW_BYTES;
  while (at < uptoBytes) {
    const lengthBytes = Math.min(windowBytes, uptoBytes - at);
    const bytes = await store.get(key, { range: { offsetBytes: at, lengthBytes } });
    const scan = scanFrames(bytes, at);
    for (const frame of scan.frames) onFrame(frame);
    at += scan.goodBytes;
    if (bytes.length < lengthBytes) return at; // the log's end
    if (scan.goodBytes > 0) {
      windowBytes = WINDOW_BYTES;
      continue;
    }
    const needBytes = frameLengthAt(bytes);
    if (needBytes <= bytes.length) return at; // a damaged frame, not a cut one
    windowBytes = needBytes;
  }
  return at;
}

function frameLengthAt(bytes: Uint8Array): number {
  if (bytes.length < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
  return FRAME_HEADER_BYTES + Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE(0);
}

/**
 * The payload of one frame.
 * @throws StoreError STORE_CORRUPT if the frame isn't whole, NOT_FOUND if the log is gone
 */
export async function readFrame(
  store: ObjectStore,
  key: string,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const bytes = await store.get(key, { range: { offsetBytes, lengthBytes } });
  const frame = frameAt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  if (!frame || frame.lengthBytes !== lengthBytes) {
    throw new StoreError(
      "STORE_CORRUPT",
      `${key}: the record at byte ${offsetBytes} is damaged (${bytes.length} of ${lengthBytes} bytes, or a wrong checksum) in ${store.description}`,
      {
        remedy: "Restore the object from a copy, or delete the job (kinglet clean <id>) and run it again.",
        details: { key },
      },
    );
  }
  return frame.payload;
}
