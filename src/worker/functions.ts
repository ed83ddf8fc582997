import { createHash } from "node:crypto";
import type { RestoredFunction } from "../capture/contract.ts";
import { StoreError } from "../errors.ts";
import { FUNCTIONS } from "../job/keys.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";

export type RestoreFunction = (bytes: Uint8Array) => Promise<RestoredFunction>;

const KEPT_FUNCTIONS = 64;

/** The functions that a worker has loaded: each is fetched and checked once. The least recently used goes first. */
export class FunctionCache {
  readonly #store: ObjectStore;
  readonly #restore: RestoreFunction;
  readonly #loaded = new Map<string, RestoredFunction>();

  constructor(store: ObjectStore, restore: RestoreFunction) {
    this.#store = store;
    this.#restore = restore;
  }

  has(key: string): boolean {
    return this.#loaded.has(key);
  }

  /**
   * A promise only the first time.
   * @throws StoreError STORE_CORRUPT if the bytes aren't those that `key` names; NOT_FOUND; what restoring throws
   */
  load(key: string): MaybePromise<RestoredFunction> {
    const loaded = this.#loaded.get(key);
    if (!loaded) return this.#fetch(key);
    if (this.#loaded.size > 1) {
      this.#loaded.delete(key);
      this.#loaded.set(key, loaded);
    }
    return loaded;
  }

  async #fetch(key: string): Promise<RestoredFunction> {
    const bytes = await this.#store.get(key);
    // Where the store has checked them, the 4 ms that loading `node:crypto` takes are spared.
    if (!this.#store.capabilities.checksums) this.#check(key, bytes);
    const restored = await this.#restore(bytes);
    this.#loaded.set(key, restored);
    if (this.#loaded.size > KEPT_FUNCTIONS) this.#loaded.delete(this.#loaded.keys().next().value!);
    return restored;
  }

  #check(key: string, bytes: Uint8Array): void {
    const actual = createHash("sha256").update(bytes).digest("hex");
    if (actual === key.slice(FUNCTIONS.length)) return;
    throw new StoreError(
      "STORE_CORRUPT",
      `the function ${key} in ${this.#store.description} is damaged: its bytes have the hash ${actual}`,
      {
        remedy: "Delete that object and run the script again: the function is stored anew.",
        details: { key },
      },
    );
  }
}
