import { StoreError } from "../../errors.ts";
import { checkKeyName, checkReadSpan } from "../kv/checks.ts";
import type { ListedKey, ListKeysOptions, PeekOptions, VersionedValue } from "../kv/contract.ts";
import { modifiedMsOf, STAMP_BYTES, versionOf } from "../kv/versions.ts";
import { Batch } from "./batch.ts";
import type { RedisClient } from "./client.ts";
import { listedKeys } from "./list.ts";
import { type Bucket, memberOf, RedisNames } from "./names.ts";
import { getWire, mgetWire } from "./wire.ts";

/** Names of a command; beyond some hundreds one blocks others for too long. */
const GROUP = 512;
/** Names that a server looks at in one step of `scan`. */
const PAGE = 1000;

/** What a key-value store in Redis reads: see KeyValueStore. */
export class RedisReads {
  readonly description: string;
  readonly capabilities = { durable: true, shared: true };
  readonly client: RedisClient;
  protected readonly names: RedisNames;

  constructor(client: RedisClient, prefix: string, cluster: boolean) {
    this.client = client;
    this.description = client.description;
    this.names = new RedisNames(prefix, cluster);
  }

  get(key: string): Promise<Uint8Array | undefined> {
    try {
      const name = this.bucketOf(key).start + key;
      if (this.client.isCluster) return this.#getInCluster(name, key);
      return this.#gets.add(this.client.callOf("get", getWire(name), "read", key, this.#found));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The names of a command would have to share a slot. */
  async #getInCluster(name: string, key: string): Promise<Uint8Array | undefined> {
    return this.#found(await this.client.ask("get", [name], "read", key), key);
  }

  readonly #found = (stored: Buffer | null, key: string): Uint8Array | undefined =>
    stored === null ? undefined : this.bytesOf(stored, key);

  readonly #gets = new Batch<string, Buffer | null, Uint8Array | undefined>("mget", mgetWire, (command) =>
    this.client.send(command),
  );

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const values: (Uint8Array | undefined)[] = new Array(keys.length).fill(undefined);
    const groups = this.grouped(keys, (key) => key);
    const reads = groups.map(async ({ bucket: { start }, items, places }) => {
      const names = items.map((key) => start + key);
      const stored = await this.client.ask("mget", names, "read", items[0]);
      stored.forEach((bytes, i) => {
        if (bytes !== null) values[places[i]!] = this.bytesOf(bytes, items[i]!);
      });
    });
    await Promise.all(reads);
    return values;
  }

  async getRange(key: string, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    checkReadSpan(key, offsetBytes, lengthBytes);
    const { start } = this.bucketOf(key);
    if (lengthBytes === 0) return new Uint8Array();
    const from = STAMP_BYTES + offsetBytes;
    const to = Math.min(from + lengthBytes - 1, Number.MAX_SAFE_INTEGER);
    const bytes = await this.client.ask("getrange", [start + key, from, to], "read", key);
    return plainBytes(bytes, 0);
  }

  async getVersioned(key: string, options: PeekOptions = {}): Promise<VersionedValue | undefined> {
    const { start } = this.bucketOf(key);
    const stored = await this.client.ask("getrange", [start + key, 0, lastByte(options)], "read", key);
    return stored.length === 0 ? undefined : this.#versionedOf(stored, key);
  }

  async sizeOf(key: string): Promise<number | undefined> {
    const { start } = this.bucketOf(key);
    const storedBytes = await this.client.ask("strlen", [start + key], "read", key);
    return storedBytes === 0 ? undefined : storedBytes - STAMP_BYTES;
  }

  async *list(prefix: string, options: ListKeysOptions = {}): AsyncIterable<ListedKey> {
    for await (const keys of listedKeys(this.client, this.names, prefix, options.after)) {
      const found = await Promise.all(
        keys.map(async (key) => (await this.#peekListed(key, options)) ?? this.#forget(key)),
      );
      for (const listed of found) if (listed !== undefined) yield listed;
    }
  }

  async *scan(prefix: string): AsyncIterable<string> {
    for (const server of this.client.servers()) {
      let cursor = "0";
      do {
        const at = cursor;
        const [next, names] = await this.client.run(
          () => server.scan(at, "MATCH", this.names.pattern(prefix), "COUNT", PAGE),
          "list",
          prefix,
        );
        cursor = next;
        for (const name of names) yield this.names.keyOf(name);
      } while (cursor !== "0");
    }
  }

  async #peekListed(key: string, { maxBytes = 0 }: PeekOptions): Promise<ListedKey | undefined> {
    const found = await this.getVersioned(key, { maxBytes });
    return found && { key, ...found };
  }

  async #forget(key: string): Promise<undefined> {
    const { start, index } = this.bucketOf(key);
    const member = memberOf(key);
    await this.client.ask("kingletForget", [start + key, index, member], "list", key);
  }

  /** The items by the bucket of their keys, in groups of at most 512, with their places. */
  protected grouped<T>(items: readonly T[], keyOf: (item: T) => string): Group<T>[] {
    const groups: Group<T>[] = [];
    const open = new Map<Bucket, Group<T>>();
    items.forEach((item, place) => {
      const bucket = this.bucketOf(keyOf(item));
      let group = open.get(bucket);
      if (group === undefined || group.items.length >= GROUP) {
        group = { bucket, items: [], places: [] };
        open.set(bucket, group);
        groups.push(group);
      }
      group.items.push(item);
      group.places.push(place);
    });
    return groups;
  }

  protected bucketOf(key: string): Bucket {
    checkKeyName(key);
    return this.names.bucketOf(key);
  }

  protected bytesOf(stored: Buffer, key: string): Uint8Array {
    if (stored.length >= STAMP_BYTES) return plainBytes(stored, STAMP_BYTES);
    const message = `the value of ${JSON.stringify(key)} in ${this.description} is damaged: another program wrote it`;
    throw new StoreError("STORE_CORRUPT", message, {
      remedy: "Remove it, and choose another prefix (redis://host?prefix=mine).",
      details: { key },
    });
  }

  #versionedOf(stored: Buffer, key: string): VersionedValue {
    const value = this.bytesOf(stored, key);
    return { value, version: versionOf(stored), modifiedMs: modifiedMsOf(stored) };
  }
}

interface Group<T> {
  readonly bucket: Bucket;
  readonly items: T[];
  readonly places: number[];
}

/** No Buffer, whose `slice` doesn't copy. */
function plainBytes({ buffer, byteOffset, length }: Buffer, start: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + start, length - start);
}

/** The last byte of what is stored that is wanted, for GETRANGE. */
export function lastByte({ maxBytes }: PeekOptions): number {
  return maxBytes === undefined ? -1 : STAMP_BYTES + maxBytes - 1;
}
