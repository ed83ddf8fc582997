import type { FileHandle } from "node:fs/promises";
import { StoreError } from "../errors.ts";
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
}

/** A source that is open for reading. */
export interface OpenSource {
  readonly read: ReadRange;
  /** @throws StoreError INPUT_CHANGED unless it still is what was listed */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** @throws StoreError INPUT_CHANGED if it isn't what was listed any more; STORE_UNAVAILABLE if it can't be read */
export async function openSource(source: SliceSource): Promise<OpenSource> {
  const opened = "store" in source ? await openObject(source) : await openFile(source);
  try {
    await opened.check();
  } catch (error) {
    await opened.close();
    throw error;
  }
  return opened;
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
  return {
    read: async function* (from, to) {
      for (let at = from; at < to; ) {
        // A buffer of its own for each chunk: who gets it may keep it.
        const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, to - at));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at).catch((cause) => {
          throw unreadable(source, cause);
        });
        if (bytesRead === 0) throw changed(source, `it ends at byte ${at}`);
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    },
    async check() {
      const { size, mtimeMs } = await file.stat();
      checkSame(source, size, mtimeMs);
    },
    close: () => file.close(),
  };
}

async function openObject(source: ObjectSource): Promise<OpenSource> {
  const store = await storeAt(source.store);
  return {
    read: async function* (from, to) {
      let at = from;
      const range = { offsetBytes: from, lengthBytes: to - from };
      for await (const chunk of store.getStream(source.key, { range })) {
        yield chunk;
        at += chunk.length;
      }
      if (at < to) throw changed(source, `it ends at byte ${at}`);
    },
    async check() {
      const info = await store.head(source.key);
      if (!info) throw changed(source, "it is gone");
      checkSame(source, info.sizeBytes, info.modifiedMs);
    },
    close: async () => {},
  };
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
