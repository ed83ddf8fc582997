import { createHash } from "node:crypto";
import { isAnyArrayBuffer } from "node:util/types";
import type { Codec } from "../codec/contract.ts";
import { foundUnready } from "../codec/graph/unready.ts";
import { UsageError } from "../errors.ts";
import { valueKey } from "../job/keys.ts";
import type { MaybePromise, ObjectStore, PutResult } from "../storage/contract.ts";
import { readObjectSync, type StoreLocation } from "../storage/locate.ts";
import { BroadcastValues, type Loaded } from "./broadcast-values.ts";

/** A handle that has just arrived here. */
export let arrivedHandle: (key: string, location: StoreLocation) => Broadcast<unknown>;

/**
 * A value that is stored once, by content, and loaded once a worker, however many tasks and calls use it.
 * It is read-only: plain data is frozen when it is loaded, so that writing to it throws in a task.
 * The bytes of typed arrays can't be frozen: don't write to them.
 *
 * A worker keeps the values that it used last, up to 1 GiB or a quarter of its heap's limit, and any value for as
 * long as something refers to its handle.
 *
 * @example
 * const table = pool.broadcast(hugeTable);
 * await pool.map((key) => table.value[key], keys);
 */
export class Broadcast<T> {
  /** Key of the value in the store. */
  readonly key: string;
  readonly location: StoreLocation;
  #loaded: Loaded | undefined;
  /** Why it could not be fetched. */
  #failure: { readonly error: unknown } | undefined;

  constructor(key: string, location: StoreLocation, loaded?: { readonly value: T }) {
    this.key = key;
    this.location = location;
    this.#loaded = loaded;
  }

  /**
   * The value. On disk it is read at the first use in this process; from other stores it was fetched when the task
   * got its handle.
   * @throws StoreError NOT_FOUND if it was deleted, and what else kept it from being fetched
   */
  get value(): T {
    this.#loaded ??= this.#atOnce();
    return this.#loaded.value as T;
  }

  /** The value, fetched unless it is here: for handles that didn't come with a task. @throws as `value` */
  async load(): Promise<T> {
    this.#loaded ??= await valuesOf(this).load(this.location, this.key);
    return this.#loaded.value as T;
  }

  #atOnce(): Loaded {
    const values = valuesOf(this);
    const { location, key } = this;
    const here = values.find(location, key);
    if (here) return here;
    if (this.#failure) throw this.#failure.error;
    const read = location.kind === "disk" && values.decode(location, key, readObjectSync(location, key));
    if (read) return read;
    throw new UsageError("BAD_ARGUMENT", `the broadcast value ${key} isn't in this process yet`, {
      remedy: "Wait for it first: await broadcast.load().",
    });
  }

  static {
    arrivedHandle = (key, location) => {
      const handle = new Broadcast<unknown>(key, location);
      // A disk is read when the value is used, if it is.
      if (location.kind === "disk" || !processValues) return handle;
      handle.#loaded = processValues.find(location, key);
      if (!handle.#loaded) foundUnready({ fetch: () => handle.#fetch() });
      return handle;
    };
  }

  async #fetch(): Promise<void> {
    try {
      await this.load();
    } catch (error) {
      this.#failure = { error };
    }
  }
}

/** Set by the pool, and by workers' entries. */
let processValues: BroadcastValues | undefined;

/** What this process decodes broadcast values with. */
export function setBroadcastCodec(codec: Codec, values = new BroadcastValues(codec)): void {
  processValues = values;
}

function valuesOf({ key }: Broadcast<unknown>): BroadcastValues {
  if (processValues) return processValues;
  throw new UsageError("BAD_ARGUMENT", `the broadcast value ${key} was used in a process without a pool`, {
    remedy: "Open a pool first.",
  });
}

export interface BroadcastHome {
  readonly codec: Codec;
  readonly store: ObjectStore;
  readonly location: StoreLocation;
  /** Jobs that start wait for these: each stores a value, unless that is done, and tries again where it failed. */
  readonly uploads: Set<() => Promise<unknown>>;
  /** Writes the driver's lease, before which cleaning may take away what no job refers to. */
  lease(): MaybePromise<void>;
}

/** @throws UnserializableError at once if the value can't be stored */
export function broadcast<T>(home: BroadcastHome, value: T): Broadcast<T> {
  const encoded = home.codec.encode(value, "broadcast value");
  // The bytes of an array are its own: a change of it before they are sent would not match their hash.
  const isBinary = ArrayBuffer.isView(value) || isAnyArrayBuffer(value);
  const chunks = isBinary ? encoded.map((chunk) => new Uint8Array(chunk)) : encoded;
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  const key = valueKey(hash.digest("hex"));
  let storing: Promise<unknown> | undefined;
  const upload = (): Promise<unknown> => {
    storing ??= store(home, key, chunks).then(
      () => home.uploads.delete(upload),
      (error) => {
        storing = undefined;
        throw error;
      },
    );
    return storing;
  };
  home.uploads.add(upload);
  upload().catch(() => {}); // it fails the jobs that start, which try again
  return new Broadcast<T>(key, home.location, { value });
}

/** Asking first costs a request, sending a big value that is there already costs seconds. */
const ASK_FIRST_BYTES = 64 * 1024;

async function store(
  home: BroadcastHome,
  key: string,
  chunks: readonly Uint8Array[],
): Promise<PutResult | undefined> {
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  await home.lease();
  if (sizeBytes >= ASK_FIRST_BYTES && (await home.store.exists(key))) return undefined;
  return home.store.put(key, chunks, { ifAbsent: true });
}
