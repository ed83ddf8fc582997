import type {
  GetOptions,
  ListOptions,
  LogWriter,
  MaybePromise,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  PutResult,
  StoreCapabilities,
} from "../contract.ts";

/** What a store does, as layers count it and break it. */
export type StoreOperation =
  | "get"
  | "getStream"
  | "put"
  | "head"
  | "list"
  | "delete"
  | "exists"
  | "openLog"
  | "append"
  | "sync";

/** A store around another one, which passes everything on; a layer overrides what it is about. */
export class StoreLayer implements ObjectStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  declare readonly openLog?: (key: string) => MaybePromise<LogWriter>;
  declare readonly localPath?: (key: string) => string;
  declare readonly sweep?: (beforeMs: number) => Promise<void>;
  protected readonly inner: ObjectStore;

  constructor(inner: ObjectStore) {
    this.inner = inner;
    this.description = inner.description;
    this.capabilities = inner.capabilities;
    // Only where the store has them: callers test for the method.
    if (inner.openLog) this.openLog = (key) => this.openInnerLog(() => inner.openLog!(key), key);
    if (inner.sweep) this.sweep = (beforeMs) => inner.sweep!(beforeMs);
    if (inner.localPath) this.localPath = (key) => inner.localPath!(key);
  }

  get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.inner.get(key, options);
  }

  getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    return this.inner.getStream(key, options);
  }

  put(key: string, body: PutBody, options?: PutOptions): Promise<PutResult> {
    return this.inner.put(key, body, options);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.inner.head(key);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.inner.list(prefix, options);
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.inner.delete(keys);
  }

  exists(key: string): MaybePromise<boolean> {
    return this.inner.exists(key);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  protected openInnerLog(open: () => MaybePromise<LogWriter>, _key: string): MaybePromise<LogWriter> {
    return open();
  }
}

/** `use(value)`, at once where the value is there: a synchronous store stays synchronous through its layers. */
export function whenThere<T, R>(value: MaybePromise<T>, use: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
