import type { FileHandle } from "node:fs/promises";
import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { type StoreLocation, storeAt } from "../storage/locate.ts";
import type { ReadRange } from "./cut.ts";

/** What is sliced, as it was when it was listed; plain JSON, for it travels with each slice. */
export type SliceSource = FileSource | ObjectSource;

export interface FileSource {
  /** Absolute path. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface ObjectSource {
  /** `s3://bucket/key`, for people. */
  readonly path: string;
  readonly store: StoreLocation;
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly version?: string;
}

/** Puts local files where workers find them that don't see this machine's. */
export interface FileUploader {
  /** The object with the file's content; its `path` stays the file's. */
  upload(file: string): Promise<ObjectSource>;
}

/** A source that is open for reading. */
export interface OpenSource {
  readonly read: ReadRange;
  /** After the last read: @throws StoreError INPUT_CHANGED unless all of it was of what had been listed */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** @throws StoreError INPUT_CHANGED if it isn't what was listed any more; STORE_UNAVAILABLE if it can't be read */
export function openSource(source: SliceSource): Promise<OpenSource> {
  return "store" in source ? openObject(source) : openFile(source);
}

const CHUNK_BYTES = 256 * 1024;

async function openFile(source: FileSource): Promise<OpenSource> {
  const { open } = await import("node:fs/promises");
  let file: FileHandle;
  try {
    file = await open(source.path);
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "ENOENT"
      ? changed(source, "it is gone", cause)
      : unreadable(source, cause);
  }
  const check = async () => {
    const { size, mtimeMs } = await file.stat();
    checkSame(source, size, mtimeMs);
  };
  try {
    await check();
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    read: async function* (from, to) {
      let ahead = readChunk(file, from, to);
      for (let at = from; at < to; ) {
        const chunk = await ahead.catch((cause) => {
          throw unreadable(source, cause);
        });
        if (chunk.length === 0) throw changed(source, `it ends at byte ${at}`);
        at += chunk.length;
        // The next one comes while this one is used; until it is asked for, a failure is nobody's.
        ahead = readChunk(file, at, to);
        ahead.catch(() => {});
        yield chunk;
      }
    },
    finish: check,
    close: () => file.close(),
  };
}

/** Some bytes from `at` on, in a buffer of their own: who gets it may keep it. */
async function readChunk(file: FileHandle, at: number, to: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(CHUNK_BYTES, to - at)));
  if (buffer.length === 0) return buffer;
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
  return buffer.subarray(0, bytesRead);
}

async function openObject(source: ObjectSource): Promise<OpenSource> {
  const store = await storeAt(source.store);
  return {
    read: async function* (from, to) {
      let at = from;
      const range = { offsetBytes: from, lengthBytes: to - from };
      for await (const chunk of gone(source, store.getStream(source.key, { range }))) {
        // If the listed object is there after the first bytes came, they were its; a stream is of one version.
        if (at === from) await checkObject(source, store);
        yield chunk;
        at += chunk.length;
      }
      if (at < to) throw changed(source, `it ends at byte ${at}`);
    },
    finish: async () => {},
    close: async () => {},
  };
}

async function* gone(source: ObjectSource, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    throw (error as StoreError).code === "NOT_FOUND" ? changed(source, "it is gone", error) : error;
  }
}

async function checkObject(source: ObjectSource, store: ObjectStore): Promise<void> {
  const info = await store.head(source.key);
  if (!info) throw changed(source, "it is gone");
  // Some answers give whole seconds, others milliseconds.
  const isSameSecond = Math.floor(info.modifiedMs / 1000) === Math.floor(source.modifiedMs / 1000);
  const isSame = isSameSecond && info.version === source.version;
  checkSame(source, info.sizeBytes, isSame ? source.modifiedMs : info.modifiedMs);
  if (!isSame) throw changed(source, `its content is another: ${info.version} in place of ${source.version}`);
}

function checkSame(source: SliceSource, sizeBytes: number, modifiedMs: number): void {
  if (sizeBytes !== source.sizeBytes) {
    throw changed(source, `it has ${sizeBytes} bytes in place of ${source.sizeBytes}`);
  }
  if (modifiedMs !== source.modifiedMs) {
    throw changed(source, `it was written again at ${new Date(modifiedMs).toISOString()}`);
  }
}

const changed = (source: SliceSource, how: string, cause?: unknown): StoreError =>
  new StoreError("INPUT_CHANGED", `${source.path} has changed since it was cut into slices: ${how}`, {
    remedy: "Leave input files alone while a job reads them, and start the job again.",
    details: { key: source.path },
    ...(cause === undefined ? {} : { cause }),
  });

const unreadable = (source: SliceSource, cause: unknown): StoreError =>
  new StoreError("STORE_UNAVAILABLE", `${source.path} can't be read: ${(cause as Error).message}`, {
    cause,
    remedy: "Is it a file that the workers may read?",
    details: { key: source.path },
  });
