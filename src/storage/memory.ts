import { allChunks, join, sizeOf, spanOf } from "./bodies.ts";
import type {
  GetOptions,
  ListOptions,
  LogWriter,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
} from "./contract.ts";
import { logEnded, logExists, notFound } from "./failures.ts";
import { checkKey, checkPrefix } from "./keys.ts";

/**
 * An object store in this process's memory, for tests and the simulation. It keeps copies: nobody can change an
 * object through the bytes that were put or got. Any key may stand beside any other ("a" and "a/b").
 *
 * @example const store = openMemoryStore();
 */
export function openMemoryStore(): ObjectStore {
  return new MemoryStore();
}

interface StoredObject {
  /** Capacity: of a log, it may reach beyond `sizeBytes`. */
  bytes: Uint8Array;
  sizeBytes: number;
  readonly modifiedMs: number;
}

const PIECE_BYTES = 1024 * 1024;

class MemoryStore implements ObjectStore {
  readonly description = "memory";
  readonly capabilities = { append: "native", putIfAbsent: true, durable: false } as const;
  readonly #objects = new Map<string, StoredObject>();

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const object = this.#find(key);
    const { start, end } = spanOf(options.range, object.sizeBytes);
    return object.bytes.slice(start, end);
  }

  async *getStream(key: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    options.signal?.throwIfAborted();
    const object = this.#find(key);
    const { start, end } = spanOf(options.range, object.sizeBytes);
    for (let at = start; at < end; at += PIECE_BYTES) {
      options.signal?.throwIfAborted();
      yield object.bytes.slice(at, Math.min(at + PIECE_BYTES, end));
    }
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<{ created: boolean }> {
    checkKey(key);
    options.signal?.throwIfAborted();
    if (options.ifAbsent && this.#objects.has(key)) return { created: false };
    const bytes = join(await allChunks(body, options.signal));
    if (options.ifAbsent && this.#objects.has(key)) return { created: false };
    this.#objects.set(key, { bytes, sizeBytes: bytes.byteLength, modifiedMs: Date.now() });
    return { created: true };
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const object = this.#objects.get(key);
    return object && { key, sizeBytes: object.sizeBytes, modifiedMs: object.modifiedMs };
  }

  exists(key: string): boolean {
    checkKey(key);
    return this.#objects.has(key);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    return this.#list(prefix, options.after ?? "");
  }

  async *#list(prefix: string, after: string): AsyncIterable<ObjectInfo> {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    for (const key of keys.sort((a, b) => (a < b ? -1 : 1))) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    for (const key of keys) this.#objects.delete(key);
  }

  openLog(key: string): LogWriter {
    checkKey(key);
    if (this.#objects.has(key)) throw logExists(key);
    const object: StoredObject = { bytes: new Uint8Array(1024), sizeBytes: 0, modifiedMs: Date.now() };
    this.#objects.set(key, object);
    let closed = false;
    return {
      key,
      get sizeBytes() {
        return object.sizeBytes;
      },
      append(chunks) {
        if (closed) throw logEnded(key, "it is closed");
        const offsetBytes = object.sizeBytes;
        const needed = offsetBytes + sizeOf(chunks);
        if (needed > object.bytes.byteLength) {
          const grown = new Uint8Array(Math.max(needed, object.bytes.byteLength * 2));
          grown.set(object.bytes.subarray(0, object.sizeBytes));
          object.bytes = grown;
        }
        for (const chunk of chunks) {
          object.bytes.set(chunk, object.sizeBytes);
          object.sizeBytes += chunk.byteLength;
        }
        return { key, offsetBytes };
      },
      sync() {},
      close() {
        closed = true;
      },
    };
  }

  async close(): Promise<void> {}

  #find(key: string): StoredObject {
    checkKey(key);
    const object = this.#objects.get(key);
    if (object === undefined) throw notFound(key, this.description);
    return object;
  }
}
