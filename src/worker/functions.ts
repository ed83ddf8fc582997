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

  has(key: string, code?: string): boolean {
    return this.#loaded.has(idOf(key, code));
  }

  /**
   * A promise only the first time.
   * @param code the package that is in use, whose modules the function has
   * @throws StoreError STORE_CORRUPT if the bytes aren't those that `key` names; NOT_FOUND; what restoring throws
   */
  load(key: string, code?: string): MaybePromise<RestoredFunction> {
    const id = idOf(key, code);
    const loaded = this.#loaded.get(id);
    if (!loaded) return this.#fetch(key, id);
    if (this.#loaded.size > 1) {
      this.#loaded.delete(id);
      this.#loaded.set(id, loaded);
    }
    return loaded;
  }

  async #fetch(key: string, id: string): Promise<RestoredFunction> {
    const bytes = await this.#store.get(key);
    // Where the store has checked them, the 4 ms that loading `node:crypto` takes are spared.
    if (!this.#store.capabilities.checksums) this.#check(key, bytes);
    const restored = await this.#restore(bytes);
    this.#loaded.set(id, restored);
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

const idOf = (key: string, code: string | undefined): string => (code === undefined ? key : `${key} ${code}`);
