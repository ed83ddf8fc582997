import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { StoreError } from "../errors.ts";
import { uploadKey } from "../job/keys.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { StoreLocation } from "../storage/locate.ts";
import type { FileUploader, ObjectSource } from "./source.ts";

export interface UploadHome {
  readonly store: ObjectStore;
  readonly location: StoreLocation;
  /** Writes the driver's lease, before which cleaning may take away what no job refers to. */
  lease(): MaybePromise<void>;
}

/** Up to this size a file is read at once, and sent by one request. */
const SMALL_BYTES = 1024 * 1024;

/**
 * Local files for workers that don't see them: each is put into the store under the hash of its content, once, in
 * bounded memory.
 */
export class Uploads implements FileUploader {
  readonly #home: UploadHome;
  /** Path, size and time → the object. */
  readonly #done = new Map<string, Promise<ObjectSource>>();

  constructor(home: UploadHome) {
    this.#home = home;
  }

  /**
   * The object that has the file's content; `path` stays the file's.
   * @throws StoreError INPUT_CHANGED if it is written to meanwhile, STORE_UNAVAILABLE, …; Error of the file system
   */
  async upload(file: string): Promise<ObjectSource> {
    const { size, mtimeMs } = await stat(file);
    const id = `${file}\n${size}\n${mtimeMs}`;
    const known = this.#done.get(id) ?? this.#upload(file, size);
    this.#done.set(id, known);
    known.catch(() => this.#done.delete(id));
    return known;
  }

  async #upload(file: string, sizeBytes: number): Promise<ObjectSource> {
    const { store, location } = this.#home;
    await this.#home.lease();
    const bytes = sizeBytes <= SMALL_BYTES ? await readFile(file) : undefined;
    const hash = bytes ? createHash("sha256").update(bytes).digest("hex") : await hashOf(file);
    const key = uploadKey(hash);
    let info = await store.head(key);
    if (!info) {
      await store.put(key, bytes ?? unchanged(file, hash), { ifAbsent: true });
      info = await store.head(key);
    }
    if (!info) throw changed(file);
    const { modifiedMs, version } = info;
    const source = { path: file, store: location, key, sizeBytes: info.sizeBytes, modifiedMs };
    return version === undefined ? source : { ...source, version };
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** The file's bytes; fails at their end if they aren't those of the hash any more, so that nothing is stored. */
async function* unchanged(file: string, expected: string): AsyncGenerator<Uint8Array, void, undefined> {
  const hash: Hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  if (hash.digest("hex") !== expected) throw changed(file);
}

const changed = (file: string): StoreError =>
  new StoreError("INPUT_CHANGED", `${file} was written to while it was uploaded for the workers`, {
    remedy: "Leave input files alone while a job draws them, and start the job again.",
    details: { key: file },
  });

/** What `load` makes of the items, in order; of up to `ahead` items at a time. */
export async function* loadedAhead<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  load: (item: T) => Promise<R>,
  ahead: number,
): AsyncGenerator<R, void, undefined> {
  const loading: Promise<R>[] = [];
  for await (const item of items) {
    const one = load(item);
    one.catch(() => {}); // it is awaited in its turn
    loading.push(one);
    if (loading.length >= ahead) yield await loading.shift()!;
  }
  for (let next = loading.shift(); next; next = loading.shift()) yield await next;
}
