import {
  checkKeyName,
  checkSpan,
  checkStep,
  checkTtl,
  NOT_WHOLE,
  noCounter,
  TOO_GREAT,
} from "../kv/checks.ts";
import type {
  AppendOptions,
  AppendResult,
  KeyValueStore,
  PeekOptions,
  SwapResult,
  Version,
  WaitOptions,
  WaitResult,
  WriteOptions,
} from "../kv/contract.ts";
import { STAMP_BYTES, Stamper, stampOf, versionOf } from "../kv/versions.ts";
import { Batch } from "./batch.ts";
import { RedisClient, type RedisClientOptions } from "./client.ts";
import type { RedisLocation } from "./location.ts";
import { memberOf } from "./names.ts";
import { lastByte, RedisReads } from "./reads.ts";
import { RedisWatcher } from "./watch.ts";
import { type Argument, msetWire, setWire } from "./wire.ts";

/**
 * Opens a key-value store in Redis 6.2 or newer, one server or a cluster. The password comes from KINGLET_REDIS_PASSWORD or
 * REDIS_PASSWORD.
 *
 * @throws StoreError if the server can't be reached, or doesn't let us in; UsageError if `ioredis` isn't installed
 * @example const store = await openRedisKeyValueStore(parseRedisLocation("redis://127.0.0.1:6379/0?prefix=mine"));
 */
export async function openRedisKeyValueStore(
  location: RedisLocation,
  options: RedisClientOptions = {},
): Promise<RedisKeyValueStore> {
  return new RedisKeyValueStore(await RedisClient.open(location, options), location);
}

const NO_OPTIONS: WriteOptions = {};
const nothing = (_ok: Buffer): void => {};

/** Values from this size on go alone. */
const BATCHED_BYTES = 16_384;

export class RedisKeyValueStore extends RedisReads implements KeyValueStore {
  readonly #stamper = new Stamper();
  readonly #watcher: RedisWatcher;

  constructor(client: RedisClient, location: RedisLocation) {
    super(client, location.prefix, location.cluster ?? false);
    this.#watcher = new RedisWatcher(client);
  }

  set(key: string, value: Uint8Array, options: WriteOptions = NO_OPTIONS): Promise<void> {
    if (options.listed) return this.#setListed(key, value, options);
    try {
      const name = this.bucketOf(key).start + key;
      const { ttlMs } = options;
      checkSpan(key, 0, value.byteLength);
      checkTtl(key, ttlMs);
      if (ttlMs !== undefined || this.client.isCluster) return this.#setAlone(key, name, value, ttlMs);
      const wire = setWire(name, value, this.#stamper);
      const call = this.client.callOf("set", wire, "write", key, nothing);
      if (wire.length < BATCHED_BYTES) return this.#sets.add(call);
      this.client.send(call);
      return call.promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readonly #sets = new Batch<Buffer, Buffer, void>("mset", msetWire, (command) => this.client.send(command));

  async #setAlone(key: string, name: string, value: Uint8Array, ttlMs: number | undefined): Promise<void> {
    const expiry = ttlMs === undefined ? [] : ["PX", ttlMs];
    await this.client.ask("set", [name, this.#stamper.stamped(value), ...expiry], "write", key);
  }

  async #setListed(key: string, value: Uint8Array, options: WriteOptions): Promise<void> {
    await this.exchange(key, value, { ...options, maxBytes: 0 });
  }

  async setMany(entries: Iterable<readonly [string, Uint8Array]>, options: WriteOptions = {}): Promise<void> {
    const all = [...entries];
    if (options.listed || options.ttlMs !== undefined) {
      await Promise.all(all.map(([key, value]) => this.set(key, value, options)));
      return;
    }
    // One command sets each name once: the last value, as one after the other would.
    const groups = this.grouped([...new Map(all)], ([key]) => key);
    for (const [key, value] of all) checkSpan(key, 0, value.byteLength);
    const writes = groups.map(({ bucket: { start }, items }) => {
      const stored = items.flatMap(([key, value]) => [start + key, this.#stamper.stamped(value)]);
      return this.client.ask("mset", [...stored], "write", items[0]![0]);
    });
    await Promise.all(writes);
  }

  async exchange(
    key: string,
    value: Uint8Array,
    options: WriteOptions & PeekOptions = {},
  ): Promise<Uint8Array | undefined> {
    const { start, index } = this.bucketOf(key);
    checkSpan(key, 0, value.byteLength);
    const args = [lastByte(options), this.#stamper.stamped(value), ...this.#writeArguments(key, options)];
    const old = await this.client.ask("kingletExchange", [start + key, index, ...args], "write", key);
    return old.length === 0 ? undefined : this.bytesOf(old, key);
  }

  async compareAndSet(
    key: string,
    expected: Version | undefined,
    value: Uint8Array,
    options: WriteOptions = {},
  ): Promise<SwapResult> {
    const { start, index } = this.bucketOf(key);
    checkSpan(key, 0, value.byteLength);
    const stored = this.#stamper.stamped(value);
    const args = [
      expected === undefined ? "" : stampOf(expected),
      stored,
      ...this.#writeArguments(key, options),
    ];
    const answer = await this.client.ask("kingletCompareAndSet", [start + key, index, ...args], "write", key);
    if (typeof answer === "number") return { swapped: true, version: versionOf(stored) };
    return { swapped: false, version: answer.length === 0 ? undefined : versionOf(answer) };
  }

  async setRange(key: string, offsetBytes: number, bytes: Uint8Array): Promise<number> {
    const { start, index } = this.bucketOf(key);
    checkSpan(key, offsetBytes, bytes.byteLength);
    const args = [this.#stamper.next(), STAMP_BYTES + offsetBytes, asBuffer(bytes)];
    const storedBytes = await this.client.ask("kingletSetRange", [start + key, index, ...args], "write", key);
    return storedBytes - STAMP_BYTES;
  }

  async addToRange(key: string, offsetBytes: number, deltas: Float32Array | Float64Array): Promise<void> {
    const { start, index } = this.bucketOf(key);
    checkSpan(key, offsetBytes, deltas.byteLength);
    const width = deltas.BYTES_PER_ELEMENT;
    const args = [
      this.#stamper.next(),
      STAMP_BYTES + offsetBytes,
      asBuffer(deltas),
      width === 4 ? "<f" : "<d",
      width,
    ];
    await this.client.ask("kingletAddToRange", [start + key, index, ...args], "write", key);
  }

  async append(key: string, bytes: Uint8Array, { atBytes }: AppendOptions = {}): Promise<AppendResult> {
    const { start, index } = this.bucketOf(key);
    checkSpan(key, atBytes ?? 0, bytes.byteLength);
    const args = [this.#stamper.next(), asBuffer(bytes), atBytes ?? ""];
    const [appended, sizeBytes] = await this.client.ask(
      "kingletAppend",
      [start + key, index, ...args],
      "append to",
      key,
    );
    return { appended: appended === 1, sizeBytes };
  }

  async increment(key: string, by = 1): Promise<number> {
    const { start, index } = this.bucketOf(key);
    checkStep(key, by);
    const args = [this.#stamper.next(), by];
    const sum = await this.client.ask("kingletIncrement", [start + key, index, ...args], "increment", key);
    const digits = sum.toString();
    if (digits === "NOT_WHOLE") throw noCounter(key, NOT_WHOLE);
    if (digits === "TOO_GREAT") throw noCounter(key, TOO_GREAT);
    return Number(digits);
  }

  async expire(keys: readonly string[], ttlMs: number | undefined): Promise<number> {
    return this.#countEach("kingletExpire", keys, (key) => {
      checkTtl(key, ttlMs);
      return ttlMs ?? "";
    });
  }

  async take(key: string, options: PeekOptions = {}): Promise<Uint8Array | undefined> {
    const { start, index } = this.bucketOf(key);
    const old = await this.client.ask(
      "kingletTake",
      [start + key, index, lastByte(options), memberOf(key)],
      "remove",
      key,
    );
    return old.length === 0 ? undefined : this.bytesOf(old, key);
  }

  async delete(keys: readonly string[]): Promise<number> {
    return this.#countEach("kingletDelete", keys, memberOf);
  }

  async waitForChange(
    key: string,
    since: Version | undefined,
    options: WaitOptions = {},
  ): Promise<WaitResult> {
    const { start, slot } = this.bucketOf(key);
    return this.client.whileBusy(() => this.#watcher.wait({ name: start + key, slot }, since, options));
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.#watcher.close();
  }

  async #countEach(
    script: "kingletExpire" | "kingletDelete",
    keys: readonly string[],
    argumentOf: (key: string) => Argument,
  ): Promise<number> {
    for (const key of keys) checkKeyName(key);
    const counts = keys.map((key) => {
      const { start, index } = this.bucketOf(key);
      return this.client.ask(script, [start + key, index, argumentOf(key)], "change", key);
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  #writeArguments(key: string, { ttlMs, listed }: WriteOptions): [ttl: number | "", member: Buffer | ""] {
    checkTtl(key, ttlMs);
    return [ttlMs ?? "", listed ? memberOf(key) : ""];
  }
}

/** The same bytes: ioredis sends no other kind as they are. */
function asBuffer({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
