import { setTimeout as delay } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { StoreError } from "../../errors.ts";
import { chunksInMemory, join, sizeOf, spanOf } from "../bodies.ts";
import type {
  GetOptions,
  ListOptions,
  LogWriter,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  StoreCapabilities,
} from "../contract.ts";
import { corrupt, logExists, notFound } from "../failures.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import type { KeyValueStore } from "../kv/contract.ts";
import { ChunkGone, dropUpload, piecesOf, readChunks, uploadChunks } from "./chunks.ts";
import {
  CHUNK_BYTES,
  chunkKeys,
  decodeHead,
  encodeHead,
  encodeInline,
  HEAD_BYTES,
  type Head,
  headKey,
  INLINE_BYTES,
  newId,
} from "./head.ts";
import { sweepIntents, withdraw } from "./intents.ts";
import { KeyedLog, readLogBytes, sizeOfLog } from "./log.ts";

/**
 * An object store on the keys of a key-value store: `o/…`, `c/…` and `u/…` are its own. Small objects cost one call each way; big
 * ones lie in chunks, and become visible with their head, last; logs grow in place.
 *
 * @example const store = objectsOnKeys(await openRedisKeyValueStore(location));
 */
export function objectsOnKeys(store: KeyValueStore): ObjectStore {
  return new ObjectsOnKeys(store);
}

/** Readers of an object that is replaced have this long to read its chunks to the end. */
const LINGER_MS = 60_000;
/** How often a put whose answer was lost asks whether it took effect. */
const SETTLE_ATTEMPTS = 5;
/** Logs whose ids are remembered: their readers come again and again. */
const KNOWN_LOGS = 1000;

class ObjectsOnKeys implements ObjectStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: KeyValueStore;
  readonly #logIds = new Map<string, string>();

  constructor(store: KeyValueStore) {
    this.#store = store;
    this.description = store.description;
    this.capabilities = { append: "native", putIfAbsent: true, durable: store.capabilities.durable };
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    checkKey(key);
    options.signal?.throwIfAborted();
    const ofLog = await this.#getOfKnownLog(key, options);
    if (ofLog !== undefined) return ofLog;
    for (let missing: string | undefined; ; ) {
      const head = await this.#headOf(key);
      try {
        const pieces: Uint8Array[] = [];
        for await (const piece of this.#pieces(key, head, options)) pieces.push(piece);
        return pieces.length === 1 ? pieces[0]! : join(pieces);
      } catch (error) {
        if (!(error instanceof ChunkGone)) throw error;
        // The object was replaced meanwhile, unless its head is still the same.
        if (missing === head.id) throw corrupt(key, this.description, error.message);
        missing = head.id;
      }
    }
  }

  async *getStream(key: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    checkKey(key);
    options.signal?.throwIfAborted();
    try {
      yield* this.#pieces(key, await this.#headOf(key), options);
    } catch (cause) {
      if (!(cause instanceof ChunkGone)) throw cause;
      const message = `the object ${JSON.stringify(key)} in ${this.description} was deleted or replaced while it was read`;
      throw new StoreError("NOT_FOUND", message, { cause, details: { key } });
    }
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<{ created: boolean }> {
    checkKey(key);
    options.signal?.throwIfAborted();
    const id = newId();
    const chunks = chunksInMemory(body);
    if (chunks !== undefined && sizeOf(chunks) <= INLINE_BYTES) {
      return this.#commit(key, id, encodeInline(id, join(chunks)), options);
    }
    if (options.ifAbsent && (await this.exists(key))) return { created: false };
    const pieces = piecesOf(body, options.signal)[Symbol.asyncIterator]();
    const first = await pieces.next();
    const inline = first.done ? new Uint8Array() : first.value;
    if (inline.byteLength <= INLINE_BYTES) {
      await pieces.return?.();
      return this.#commit(key, id, encodeInline(id, inline), options);
    }
    const uploaded = await uploadChunks(this.#store, key, id, startingWith(inline, pieces));
    const result = await this.#commit(key, id, encodeHead("chunked", id, uploaded), options);
    if (result.created) await withdraw(this.#store, id);
    else await dropUpload(this.#store, uploaded);
    return result;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const found = await this.#store.getVersioned(headKey(key), { maxBytes: HEAD_BYTES });
    return found && this.#info(key, this.#decode(key, found));
  }

  async exists(key: string): Promise<boolean> {
    checkKey(key);
    return (await this.#store.sizeOf(headKey(key))) !== undefined;
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    return this.#list(prefix, options);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    await Promise.all(keys.map((key) => this.#delete(key)));
  }

  async openLog(key: string): Promise<LogWriter> {
    checkKey(key);
    const id = newId();
    const head = encodeHead("log", id, { sizeBytes: 0, crc: 0 });
    if (!(await this.#commit(key, id, head, { ifAbsent: true })).created) throw logExists(key);
    this.#knowLog(key, id);
    return new KeyedLog(this.#store, key, id);
  }

  async sweep(beforeMs: number): Promise<void> {
    await sweepIntents(this.#store, beforeMs, async (key) => {
      const found = await this.#store.getVersioned(headKey(key), { maxBytes: HEAD_BYTES });
      return found && decodeHead(found)?.id;
    });
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Puts the head, which makes the object visible; says the truth also when the answer to the first try was lost. */
  async #commit(
    key: string,
    id: string,
    head: Uint8Array,
    { ifAbsent }: PutOptions,
  ): Promise<{ created: boolean }> {
    for (let failures = 0; ; ) {
      try {
        if (!ifAbsent) {
          const options = { listed: true, maxBytes: HEAD_BYTES };
          const old = await this.#store.exchange(headKey(key), head, options);
          await this.#letGo(old, id);
          return { created: true };
        }
        const { swapped } = await this.#store.compareAndSet(headKey(key), undefined, head, { listed: true });
        if (swapped || failures === 0) return { created: swapped };
        const found = await this.#store.getVersioned(headKey(key), { maxBytes: HEAD_BYTES });
        return { created: found !== undefined && decodeHead(found)?.id === id };
      } catch (error) {
        const again = error instanceof StoreError && error.code === "STORE_UNAVAILABLE";
        if (!again || ++failures >= SETTLE_ATTEMPTS) throw error;
        await delay(25 * 2 ** failures * (0.5 + Math.random() / 2));
      }
    }
  }

  /** What a replaced object's readers may still need goes a little later. */
  async #letGo(oldHead: Uint8Array | undefined, newId: string): Promise<void> {
    const old = oldHead && decodeHead({ value: oldHead, modifiedMs: 0 });
    if (old === undefined || old.id === newId) return;
    await this.#store.expire(await this.#partsOf(old), LINGER_MS);
  }

  async #delete(key: string): Promise<void> {
    this.#logIds.delete(key);
    const value = await this.#store.take(headKey(key), { maxBytes: HEAD_BYTES });
    const head = value && decodeHead({ value, modifiedMs: 0 });
    if (head) await this.#store.delete(await this.#partsOf(head));
  }

  async #partsOf(head: Head): Promise<readonly string[]> {
    if (head.kind === "inline") return [];
    return head.kind === "chunked" ? chunkKeys(head) : (await sizeOfLog(this.#store, head.id)).segmentKeys;
  }

  async *#list(prefix: string, { after }: ListOptions): AsyncIterable<ObjectInfo> {
    const options = { maxBytes: HEAD_BYTES, after: headKey(after ?? "") };
    for await (const found of this.#store.list(headKey(prefix), options)) {
      const key = found.key.slice(headKey("").length);
      yield await this.#info(key, this.#decode(key, found));
    }
  }

  async #info(key: string, { kind, id, sizeBytes, modifiedMs }: Head): Promise<ObjectInfo> {
    if (kind !== "log") return { key, sizeBytes, modifiedMs };
    const log = await sizeOfLog(this.#store, id);
    return { key, sizeBytes: log.sizeBytes, modifiedMs: log.modifiedMs ?? modifiedMs };
  }

  async #headOf(key: string): Promise<Head> {
    const found = await this.#store.getVersioned(headKey(key));
    if (found === undefined) throw notFound(key, this.description);
    const head = this.#decode(key, found);
    if (head.kind === "log") this.#knowLog(key, head.id);
    return head;
  }

  #decode(key: string, found: { readonly value: Uint8Array; readonly modifiedMs: number }): Head {
    const head = decodeHead(found);
    if (head === undefined) throw corrupt(key, this.description, "its head isn't one");
    return head;
  }

  /** The body, or the range of it; a whole one is checked. @throws ChunkGone */
  async *#pieces(key: string, head: Head, { range, signal }: GetOptions): AsyncIterable<Uint8Array> {
    const { start, end } = spanOf(range, head.kind === "log" ? Number.MAX_SAFE_INTEGER : head.sizeBytes);
    if (head.kind === "log") {
      yield* readLogBytes(this.#store, head.id, start, end, CHUNK_BYTES);
      return;
    }
    const pieces =
      head.kind === "inline" ? [head.inline.subarray(start, end)] : readChunks(this.#store, head, start, end);
    let crc = 0;
    let doneBytes = 0;
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      doneBytes += piece.byteLength;
      if (range === undefined) crc = crc32(piece, crc);
      if (piece.byteLength > 0) yield piece;
    }
    if (doneBytes !== end - start) throw corrupt(key, this.description, `it has ${doneBytes} bytes`);
    if (range === undefined && crc !== head.crc) {
      throw corrupt(key, this.description, `its ${doneBytes} bytes don't match their checksum`);
    }
  }

  /** A range of a log whose id is known, without asking for its head. Undefined where that says nothing. */
  async #getOfKnownLog(key: string, { range }: GetOptions): Promise<Uint8Array | undefined> {
    const id = this.#logIds.get(key);
    if (id === undefined || range === undefined) return undefined;
    const { start, end } = spanOf(range, Number.MAX_SAFE_INTEGER);
    const pieces: Uint8Array[] = [];
    for await (const piece of readLogBytes(this.#store, id, start, end, end - start)) pieces.push(piece);
    // Nothing there: the log ends before, or it is another one by now.
    return pieces.length > 0 ? join(pieces) : undefined;
  }

  #knowLog(key: string, id: string): void {
    this.#logIds.delete(key);
    this.#logIds.set(key, id);
    if (this.#logIds.size > KNOWN_LOGS) this.#logIds.delete(this.#logIds.keys().next().value!);
  }
}

async function* startingWith(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
