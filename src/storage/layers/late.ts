import type {
  GetOptions,
  ListOptions,
  LogWriter,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  PutResult,
  StoreCapabilities,
} from "../contract.ts";

/**
 * A store that is opened with its first use: `openPool` answers at once, and a server needs some requests first.
 * Each use throws what opening throws, and tries it anew.
 */
export class LateStore implements ObjectStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  declare readonly openLog?: (key: string) => Promise<LogWriter>;
  readonly #open: () => Promise<ObjectStore>;
  #opened: Promise<ObjectStore> | undefined;

  constructor(description: string, capabilities: StoreCapabilities, open: () => Promise<ObjectStore>) {
    this.description = description;
    this.capabilities = capabilities;
    this.#open = open;
    if (capabilities.append) this.openLog = async (key) => (await this.#store()).openLog!(key);
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return (await this.#store()).get(key, options);
  }

  async *getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    yield* (await this.#store()).getStream(key, options);
  }

  async put(key: string, body: PutBody, options?: PutOptions): Promise<PutResult> {
    return (await this.#store()).put(key, body, options);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return (await this.#store()).head(key);
  }

  async exists(key: string): Promise<boolean> {
    return (await this.#store()).exists(key);
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    yield* (await this.#store()).list(prefix, options);
  }

  async delete(keys: readonly string[]): Promise<void> {
    return (await this.#store()).delete(keys);
  }

  async close(): Promise<void> {
    await (await this.#opened?.catch(() => undefined))?.close();
  }

  #store(): Promise<ObjectStore> {
    if (this.#opened === undefined) {
      this.#opened = this.#open();
      this.#opened.catch(() => {
        this.#opened = undefined;
      });
    }
    return this.#opened;
  }
}
