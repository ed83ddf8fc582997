import { createHash } from "node:crypto";
import type { Codec } from "../codec/contract.ts";
import { freezeDeep } from "../codec/graph/freeze.ts";
import { UsageError } from "../errors.ts";
import { valueKey } from "../job/keys.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { readObjectSync, type StoreLocation } from "../storage/locate.ts";

/**
 * A value that is stored once, by content, and loaded once a worker, however many tasks and calls use it.
 * It is read-only: plain data is frozen when it is loaded, so that writing to it throws in a task.
 * The bytes of typed arrays can't be frozen: don't write to them.
 *
 * @example
 * const table = pool.broadcast(hugeTable);
 * await pool.map((key) => table.value[key], keys);
 */
export class Broadcast<T> {
  /** Key of the value in the store. */
  readonly key: string;
  readonly location: StoreLocation;
  #value: { readonly value: T } | undefined;

  constructor(key: string, location: StoreLocation, value?: { readonly value: T }) {
    this.key = key;
    this.location = location;
    this.#value = value;
  }

  /** The value; loaded at the first use in this process. @throws StoreError NOT_FOUND if it was deleted */
  get value(): T {
    this.#value ??= { value: load(this.key, this.location) as T };
    return this.#value.value;
  }
}

/** Values of this process, by store and key. */
const loaded = new Map<string, unknown>();
let processCodec: Codec | undefined;

/** What this process decodes broadcast values with; set by the pool, and by workers' entries. */
export function setBroadcastCodec(codec: Codec): void {
  processCodec = codec;
}

function load(key: string, location: StoreLocation): unknown {
  const id = `${location.root}:${key}`;
  if (!loaded.has(id)) {
    const value = processCodec?.decode(readObjectSync(location, key));
    if (value instanceof Promise) throw holdsFunctions(key);
    if (typeof value === "object" && value !== null) freezeDeep(value);
    loaded.set(id, value);
  }
  return loaded.get(id);
}

const holdsFunctions = (key: string): UsageError =>
  new UsageError(
    "BAD_ARGUMENT",
    `the broadcast value ${key} holds functions or classes that must be imported first`,
    {
      remedy: "Broadcast data, and capture the functions.",
    },
  );

export interface BroadcastHome {
  readonly codec: Codec;
  readonly store: ObjectStore;
  readonly location: StoreLocation;
  /** Jobs that start wait for these. */
  readonly uploads: Set<Promise<unknown>>;
}

/** @throws UnserializableError at once if the value can't be stored */
export function broadcast<T>(home: BroadcastHome, value: T): Broadcast<T> {
  const chunks = home.codec.encode(value, "broadcast value");
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  const key = valueKey(hash.digest("hex"));
  const upload = home.store.put(key, chunks, { ifAbsent: true });
  home.uploads.add(upload);
  // A failure stays among the uploads: it fails the jobs that would need the value.
  upload.then(
    () => home.uploads.delete(upload),
    () => {},
  );
  return new Broadcast<T>(key, home.location, { value });
}
