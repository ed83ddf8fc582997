import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";
import { segmentKey } from "../storage/segmented-log.ts";
import { FRAME_HEADER_BYTES, type Frame, frameAt, scanFrames } from "./frames.ts";

const WINDOW_BYTES = 4 * 1024 * 1024;
/** Segments that are got at once, where a log turns out to have many. */
const SEGMENTS_AT_ONCE = 8;
/** Stores check whole objects, not ranges: bytes may have been damaged on their way to here only. */
const FRAME_READS = 3;

/** How far a log was read: reading goes on from here. */
export interface LogPlace {
  /** Bytes of the log before it: what a seal counts. */
  readonly sizeBytes: number;
  /** Number of the segment, and the offset in it; a native log is its own segment 0. */
  readonly segment: number;
  readonly offsetBytes: number;
}

export const LOG_START: LogPlace = { sizeBytes: 0, segment: 0, offsetBytes: 0 };

/**
 * Takes a good frame of a log; `key` is that of the object that holds it, and the frame's offset counts in that
 * object. The payload is a view, valid only during the call. False: nothing more is wanted.
 */
export type OnFrame = (frame: Frame, key: string) => unknown;

/**
 * Calls `onFrame` for each good frame of a log, from a place up to `uptoBytes` of the log (default: its end), in
 * bounded memory. Where logs are emulated it follows the segments one after the other, without listing.
 *
 * @returns the place after the last good frame; short of the log's end where its tail is torn or still growing
 * @throws StoreError NOT_FOUND if the log isn't there
 */
export async function readLog(
  store: ObjectStore,
  key: string,
  onFrame: OnFrame,
  from: LogPlace = LOG_START,
  uptoBytes = Number.POSITIVE_INFINITY,
): Promise<LogPlace> {
  if (store.capabilities.append === "emulated") return readSegments(store, key, onFrame, from, uptoBytes);
  const uptoOffset = uptoBytes - from.sizeBytes + from.offsetBytes;
  const { offsetBytes } = await readObjectFrames(store, key, onFrame, from.offsetBytes, uptoOffset);
  return { sizeBytes: from.sizeBytes + offsetBytes - from.offsetBytes, segment: 0, offsetBytes };
}

async function readSegments(
  store: ObjectStore,
  key: string,
  onFrame: OnFrame,
  from: LogPlace,
  uptoBytes: number,
): Promise<LogPlace> {
  let place = from;
  for (let width = 1; place.sizeBytes < uptoBytes; width = Math.min(width * 2, SEGMENTS_AT_ONCE)) {
    const first = place.segment;
    const got = await Promise.all(
      Array.from({ length: width }, (_, i) => getSegment(store, segmentKey(key, first + i))),
    );
    for (const bytes of got) {
      const { segment, offsetBytes, sizeBytes } = place;
      if (!bytes) {
        if (segment === 0) throw noSuchLog(store, key);
        return place;
      }
      if (sizeBytes >= uptoBytes) return place;
      const whole = bytes.subarray(offsetBytes, offsetBytes + uptoBytes - sizeBytes);
      const scan = scanFrames(whole, offsetBytes);
      const segmentAt = segmentKey(key, segment);
      for (const frame of scan.frames) {
        if (onFrame(frame, segmentAt) === false) return place;
      }
      const goodBytes = sizeBytes + scan.goodBytes;
      // Segments are whole or absent: what is no frame is damage, and nothing behind it counts.
      if (offsetBytes + scan.goodBytes < bytes.length)
        return { sizeBytes: goodBytes, segment, offsetBytes: offsetBytes + scan.goodBytes };
      place = { sizeBytes: goodBytes, segment: segment + 1, offsetBytes: 0 };
    }
  }
  return place;
}

/** A segment's bytes, or undefined where there is none (yet). */
async function getSegment(store: ObjectStore, key: string): Promise<Uint8Array | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const noSuchLog = (store: ObjectStore, key: string): StoreError =>
  new StoreError("NOT_FOUND", `there is no log ${JSON.stringify(key)} in ${store.description}`, {
    details: { key },
  });

/**
 * As `readLog`, for one object: a native log, or one segment. Reads it in windows.
 * @returns the offset after the last good frame
 */
export async function readObjectFrames(
  store: ObjectStore,
  key: string,
  onFrame: OnFrame,
  fromOffset = 0,
  uptoOffset = Number.POSITIVE_INFINITY,
): Promise<{ readonly offsetBytes: number }> {
  let at = fromOffset;
  let windowBytes = WINDOW_BYTES;
  while (at < uptoOffset) {
    const lengthBytes = Math.min(windowBytes, uptoOffset - at);
    const bytes = await store.get(key, { range: { offsetBytes: at, lengthBytes } });
    const scan = scanFrames(bytes, at);
    for (const frame of scan.frames) {
      if (onFrame(frame, key) === false) return { offsetBytes: at };
    }
    at += scan.goodBytes;
    if (bytes.length < lengthBytes) break; // the object's end
    if (scan.goodBytes > 0) {
      windowBytes = WINDOW_BYTES;
      continue;
    }
    const needBytes = frameLengthAt(bytes);
    if (needBytes <= bytes.length) break; // a damaged frame, not a cut one
    windowBytes = needBytes;
  }
  return { offsetBytes: at };
}

function frameLengthAt(bytes: Uint8Array): number {
  if (bytes.length < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
  return FRAME_HEADER_BYTES + Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE(0);
}

/**
 * The payload of one frame.
 * @param key of the object that holds it: a native log, or a segment
 * @throws StoreError STORE_CORRUPT if the frame isn't whole, NOT_FOUND if the log is gone
 */
export async function readFrame(
  store: ObjectStore,
  key: string,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  let gotBytes = 0;
  for (let read = 1; read <= FRAME_READS; read++) {
    const bytes = await store.get(key, { range: { offsetBytes, lengthBytes } });
    const frame = frameAt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
    if (frame?.lengthBytes === lengthBytes) return frame.payload;
    gotBytes = bytes.length;
  }
  throw new StoreError(
    "STORE_CORRUPT",
    `${key}: the record at byte ${offsetBytes} is damaged (${gotBytes} of ${lengthBytes} bytes, or a wrong checksum) in ${store.description}`,
    {
      remedy: "Restore the object from a copy, or delete the job (kinglet clean <id>) and run it again.",
      details: { key },
    },
  );
}
