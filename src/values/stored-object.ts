import { KingletError, UsageError } from "../errors.ts";
import { NAMED } from "../job/keys.ts";
import type { GetOptions, ObjectStore } from "../storage/contract.ts";
import { parseStoreLocation, type StoreLocation, storeAt } from "../storage/locate.ts";

/** A part of an object; one that reaches past the end is cut short. A part isn't checked against the object's checksum. */
export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

function optionsOf(range: ByteRange | undefined): GetOptions {
  if (range === undefined) return {};
  for (const name of ["offsetBytes", "lengthBytes"] as const) {
    if (Number.isSafeInteger(range[name]) && range[name] >= 0) continue;
    throw new UsageError("BAD_ARGUMENT", `store: ${name} of a range is ${String(range[name])}`, {
      remedy: "Give { offsetBytes, lengthBytes } as whole numbers from 0.",
    });
  }
  return { range: { offsetBytes: range.offsetBytes, lengthBytes: range.lengthBytes } };
}

/** A named object in the pool's store: a small handle to return, capture or pass on; its bytes stay where they are. */
export class StoredObject {
  readonly key: string;
  readonly location: StoreLocation;

  constructor(key: string, location: StoreLocation) {
    this.key = key;
    this.location = location;
  }

  /** All bytes, or those of `range`. @throws StoreError NOT_FOUND if it was deleted */
  async bytes(range?: ByteRange): Promise<Uint8Array> {
    return (await storeAt(this.location)).get(NAMED + this.key, optionsOf(range));
  }

  /** As UTF-8. */
  async text(): Promise<string> {
    return Buffer.from(await this.bytes()).toString("utf8");
  }

  /** All bytes, or those of `range`, in chunks, in bounded memory. */
  async *stream(range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    yield* (await storeAt(this.location)).getStream(NAMED + this.key, optionsOf(range));
  }
}

export type StorableBody = Uint8Array | string | AsyncIterable<Uint8Array>;

/** `pool.store` and `ctx.store`: users' own named objects, beside the jobs in the same store. */
export class NamedStore {
  readonly location: StoreLocation;
  readonly #store: ObjectStore | Promise<ObjectStore> | undefined;

  constructor(location: StoreLocation, store?: ObjectStore) {
    this.location = location;
    this.#store = store;
  }

  /**
   * The named objects of another store, which is opened when it is first used: a folder, `s3://…` or `redis://…`, as the
   * option `storage`. Handles of its objects may be passed on, too. @throws UsageError BAD_OPTION
   * @example const hot = ctx.store.at("redis://cache:6379/1");
   */
  at(storage: string): NamedStore {
    return new NamedStore(parseStoreLocation(storage));
  }

  #opened(): ObjectStore | Promise<ObjectStore> {
    return this.#store ?? storeAt(this.location);
  }

  /**
   * Stores an object under a name of your choice, replacing what was there.
   *
   * @param key `/`-separated, 1–800 bytes: `thumbs/cat-64.png`
   * @example const image = await ctx.store.put(`thumbs/${file.name}`, png);   // return it: 100 bytes, not the image
   */
  async put(key: string, body: StorableBody): Promise<StoredObject> {
    checkKey(key);
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (
      !(bytes instanceof Uint8Array) &&
      !(typeof bytes === "object" && bytes !== null && Symbol.asyncIterator in bytes)
    ) {
      throw new UsageError(
        "BAD_ARGUMENT",
        `store.put(${JSON.stringify(key)}): the body is neither bytes, text nor a stream`,
        {
          remedy:
            "Pass a Uint8Array, a string, or an async iterable of Uint8Array; JSON.stringify an object first.",
        },
      );
    }
    await (await this.#opened()).put(NAMED + key, bytes);
    return new StoredObject(key, this.location);
  }

  /** The bytes of an object, or those of `range`. @throws StoreError NOT_FOUND */
  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    checkKey(key);
    return (await this.#opened()).get(NAMED + key, optionsOf(range));
  }

  /** A handle, or undefined where there is no such object. */
  async find(key: string): Promise<StoredObject | undefined> {
    checkKey(key);
    return (await (await this.#opened()).exists(NAMED + key))
      ? new StoredObject(key, this.location)
      : undefined;
  }

  /** Objects whose names begin with `prefix`, in order of their names. */
  async *list(prefix = ""): AsyncGenerator<StoredObject, void, undefined> {
    for await (const object of (await this.#opened()).list(NAMED + prefix)) {
      yield new StoredObject(object.key.slice(NAMED.length), this.location);
    }
  }

  /** Removes objects; those that are not there are no error. */
  async delete(...keys: string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    await (await this.#opened()).delete(keys.map((key) => NAMED + key));
  }
}

function checkKey(key: string): void {
  if (typeof key !== "string" || key === "") {
    throw new KingletError("BAD_KEY", `store: ${JSON.stringify(key)} is no name for an object`, {
      remedy: 'Use a path such as "thumbs/cat.png".',
    });
  }
}
