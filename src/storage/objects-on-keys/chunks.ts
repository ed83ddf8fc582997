import { crc32 } from "node:zlib";
import { StoreError } from "../../errors.ts";
import type { PutBody } from "../contract.ts";
import type { KeyValueStore } from "../kv/contract.ts";
import { CHUNK_BYTES, chunkKeys, type Head, partKey } from "./head.ts";
import { announce, withdraw } from "./intents.ts";

/** Chunks under way at once, of one object. */
const AT_ONCE = 4;
/** Chunks of a put that never ends go after this time; one that ends keeps them. */
const UPLOAD_TTL_MS = 24 * 3_600_000;

/** A chunk isn't there: the object was deleted or replaced meanwhile, or is damaged. */
export class ChunkGone extends Error {}

/** What a body's chunks came to. */
export interface Uploaded {
  readonly id: string;
  readonly sizeBytes: number;
  readonly crc: number;
}

/**
 * Writes pieces as chunks, which nobody sees before a head names them.
 *
 * @throws what the pieces throw, StoreError; then nothing is left behind, or expires
 */
export async function uploadChunks(
  store: KeyValueStore,
  key: string,
  id: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<Uploaded> {
  const underWay = new Set<Promise<void>>();
  let sizeBytes = 0;
  let crc = 0;
  let count = 0;
  try {
    for await (const piece of pieces) {
      sizeBytes += piece.byteLength;
      crc = crc32(piece, crc);
      const write = store.set(partKey(id, count), piece, { ttlMs: UPLOAD_TTL_MS });
      count += 1;
      const tracked = write.finally(() => underWay.delete(tracked));
      // Rejections are seen by the race or by `all`; one in between must not count as unhandled.
      tracked.catch(() => {});
      underWay.add(tracked);
      if (underWay.size >= AT_ONCE) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    const keys = chunkKeys({ id, sizeBytes });
    // From here on they stay: should no head follow, a sweep knows of them.
    await announce(store, { key, id, sizeBytes });
    if ((await store.expire(keys, undefined)) === keys.length) return { id, sizeBytes, crc };
    throw new StoreError(
      "STORE_UNAVAILABLE",
      `chunks of an object in ${store.description} went before it was whole`,
    );
  } catch (error) {
    await Promise.allSettled(underWay);
    await dropUpload(store, { id, sizeBytes }).catch(() => {});
    throw error;
  }
}

/** Removes the chunks of an object that no head names. */
export async function dropUpload(
  store: KeyValueStore,
  upload: Pick<Uploaded, "id" | "sizeBytes">,
): Promise<void> {
  await store.delete(chunkKeys(upload));
  await withdraw(store, upload.id);
}

/**
 * The bytes `[start, end)` of a chunked object, in order, a few chunks ahead.
 *
 * @throws ChunkGone
 */
export async function* readChunks(
  store: KeyValueStore,
  head: Head,
  start: number,
  end: number,
): AsyncIterable<Uint8Array> {
  const ahead: Promise<Uint8Array>[] = [];
  let next = start;
  const readNext = (): void => {
    const number = Math.floor(next / CHUNK_BYTES);
    const from = next - number * CHUNK_BYTES;
    const upto = Math.min(CHUNK_BYTES, end - number * CHUNK_BYTES);
    const read = readPart(store, partKey(head.id, number), from, upto - from);
    read.catch(() => {});
    ahead.push(read);
    next += upto - from;
  };
  while (ahead.length > 0 || next < end) {
    while (next < end && ahead.length < AT_ONCE) readNext();
    yield await ahead.shift()!;
  }
}

async function readPart(
  store: KeyValueStore,
  key: string,
  offsetBytes: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const bytes = await store.getRange(key, offsetBytes, lengthBytes);
  if (bytes.byteLength !== lengthBytes) throw new ChunkGone(`${key} has ${bytes.byteLength} bytes`);
  return bytes;
}

/**
 * A body in pieces of exactly `CHUNK_BYTES`, but for the last. They are copies: what a stream gives is its own
 * again once the next chunk is asked for.
 */
export async function* piecesOf(body: PutBody, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  let piece = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  const chunks = body instanceof Uint8Array ? [body] : body;
  for await (const chunk of chunks as AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + CHUNK_BYTES - filled);
      piece.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
      if (filled < CHUNK_BYTES) continue;
      yield piece;
      piece = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
