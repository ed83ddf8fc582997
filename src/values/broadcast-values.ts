import { getHeapStatistics } from "node:v8";
import type { Codec } from "../codec/contract.ts";
import { freezeDeep } from "../codec/graph/freeze.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { type StoreLocation, storeAt } from "../storage/locate.ts";

/** A value that is here. */
export interface Loaded {
  readonly value: unknown;
}

interface Entry {
  /** Kept for the tasks to come; undefined once others have taken its place. */
  kept: Loaded | undefined;
  /** Still there as long as any handle is that has used it. */
  readonly loaded: WeakRef<Loaded>;
  readonly sizeBytes: number;
}

/** Bytes, as they are stored, that a process keeps for tasks to come: less where memory is limited, by `memoryMb` too. */
const keptByDefault = (): number => Math.min(1024 ** 3, getHeapStatistics().heap_size_limit / 4);

/**
 * The broadcast values of a process. Each is fetched once and decoded once. Those that were used last stay, up to
 * `keptBytes` (the very last one in any case); others stay as long as a handle to them does.
 */
export class BroadcastValues {
  readonly #codec: Codec;
  readonly #open: (location: StoreLocation) => Promise<ObjectStore>;
  readonly #keptBytes: number;
  /** In order of use. */
  readonly #entries = new Map<string, Entry>();
  readonly #fetching = new Map<string, Promise<Loaded>>();
  #sizeBytes = 0;

  constructor(codec: Codec, open = storeAt, keptBytes = keptByDefault()) {
    this.#codec = codec;
    this.#open = open;
    this.#keptBytes = keptBytes;
  }

  /** The value, if it is here. */
  find(location: StoreLocation, key: string): Loaded | undefined {
    const id = idOf(location, key);
    const entry = this.#entries.get(id);
    const loaded = entry?.kept ?? entry?.loaded.deref();
    if (loaded) this.#keep(id, loaded, entry!.sizeBytes);
    return loaded;
  }

  /** Fetches the value, unless it is here or on its way. @throws StoreError NOT_FOUND, STORE_CORRUPT, … */
  async load(location: StoreLocation, key: string): Promise<Loaded> {
    const here = this.find(location, key);
    if (here) return here;
    const id = idOf(location, key);
    const under = this.#fetching.get(id);
    if (under) return under;
    const fetching = this.#fetch(location, key).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetching);
    return fetching;
  }

  async #fetch(location: StoreLocation, key: string): Promise<Loaded> {
    const store = await this.#open(location);
    const bytes = await store.get(key);
    return this.add(location, key, await this.#codec.decode(bytes), bytes.length);
  }

  /** Decodes bytes that are here. `undefined` where that takes imports, which must be waited for. */
  decode(location: StoreLocation, key: string, bytes: Uint8Array): Loaded | undefined {
    const value = this.#codec.decode(bytes);
    if (!(value instanceof Promise)) return this.add(location, key, value, bytes.length);
    value.catch(() => {}); // `load` will meet it again
    return undefined;
  }

  /** Keeps a value for handles that come. */
  add(location: StoreLocation, key: string, value: unknown, sizeBytes: number): Loaded {
    if (typeof value === "object" && value !== null) freezeDeep(value);
    const loaded = { value };
    this.#keep(idOf(location, key), loaded, sizeBytes);
    return loaded;
  }

  #keep(id: string, loaded: Loaded, sizeBytes: number): void {
    if (this.#entries.get(id)?.kept === undefined) this.#sizeBytes += sizeBytes;
    this.#entries.delete(id);
    this.#entries.set(id, { kept: loaded, loaded: new WeakRef(loaded), sizeBytes });
    for (const [other, entry] of this.#entries) {
      if (this.#sizeBytes <= this.#keptBytes) return;
      if (entry.kept && other !== id) {
        entry.kept = undefined;
        this.#sizeBytes -= entry.sizeBytes;
      }
      if (!entry.kept && !entry.loaded.deref()) this.#entries.delete(other);
    }
  }
}

const idOf = (location: StoreLocation, key: string): string => `${JSON.stringify(location)}:${key}`;
