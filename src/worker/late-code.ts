import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { CodeLoader } from "./code.ts";

/** `CodeLoader`, loaded with the first invocation that names a code package: on one machine there is none. */
export class LateCode {
  readonly #store: ObjectStore;
  #loader: CodeLoader | undefined;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** See `CodeLoader.use`. */
  use(reference: string | undefined): MaybePromise<void> {
    if (this.#loader) return this.#loader.use(reference);
    return reference === undefined ? undefined : this.#begin(reference);
  }

  async #begin(reference: string): Promise<void> {
    const { CodeLoader } = await import("./code.ts");
    this.#loader ??= new CodeLoader(this.#store);
    await this.#loader.use(reference);
  }
}
