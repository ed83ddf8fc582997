/**
 * The object store: bulk storage for functions, inputs, outcomes and users' own objects (paper §3.1).
 *
 * Obligations of every implementation, checked by the shared suite in test/conformance/object-store.ts:
 * - Keys are `/`-separated, relative, 1–900 bytes of UTF-8, no empty, `.` or `..` segment, no control character,
 *   no backslash. Anything else is a StoreError `BAD_KEY`, and no key can reach outside the store's root.
 * - No key should be the folder of another ("a" beside "a/b"): where objects are files, the later put is BAD_KEY.
 * - An object is visible whole or not at all, also after a crash at any moment. Objects are written once; logs grow.
 * - Calls may overlap in any order. Every call may be repeated after a failure (idempotent), except `append`.
 * - Failures are StoreErrors: STORE_UNWRITABLE (permission, read-only), STORE_FULL, STORE_CORRUPT (checksum or
 *   length doesn't match), STORE_REFUSED (credentials, no such bucket, a server that can't do what it must),
 *   STORE_UNAVAILABLE (worth a retry), NOT_FOUND, BAD_KEY. Each names the key.
 * - Retry, metering and fault injection are layers around a store (storage/layers), never inside it.
 */
export interface ObjectStore {
  /** For messages: "disk ./.kinglet", "memory", "s3://bucket/prefix". Never holds a secret. */
  readonly description: string;
  readonly capabilities: StoreCapabilities;

  /** The object's bytes, or those of `range`. @throws StoreError NOT_FOUND; a range past the end is cut short. */
  get(key: string, options?: GetOptions): Promise<Uint8Array>;

  /** As `get`, as a stream of chunks in bounded memory. */
  getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /**
   * Stores an object atomically. With `ifAbsent`, of all concurrent and repeated puts of a key exactly one gets
   * `{ created: true }` and the object keeps that one's bytes; every other gets `{ created: false }` and leaves it
   * untouched. Without, the last writer wins. `body` may be one chunk, a list of chunks, or a stream.
   */
  put(key: string, body: PutBody, options?: PutOptions): Promise<PutResult>;

  /** Size and age, or undefined where there is no such object. */
  head(key: string): Promise<ObjectInfo | undefined>;

  /** Objects whose key starts with `prefix` ("" for all), in code-unit order of their keys, lazily. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;

  /** Removes the objects; those that are not there are no error. */
  delete(keys: readonly string[]): Promise<void>;

  /**
   * Opens a log: what one writer makes and appends to. A log is never reopened: @throws StoreError BAD_KEY if the key
   * exists; an emulated log says so at its first append, and doesn't exist before. Present where `capabilities.append`.
   */
  openLog?(key: string): MaybePromise<LogWriter>;

  /** Quick existence check; synchronous where the store can (disk, memory). */
  exists(key: string): MaybePromise<boolean>;

  /**
   * The whole path of an object for processes of this machine, where objects are plain files; undefined elsewhere.
   * Lets a worker read a range or append without another protocol.
   */
  localPath?(key: string): string;

  /**
   * Removes what puts that began before `beforeMs` (since the epoch), and whose writers died, have left out of sight.
   * Present where that doesn't go by itself.
   */
  sweep?(beforeMs: number): Promise<void>;

  close(): Promise<void>;
}

export type MaybePromise<T> = T | Promise<T>;

export type PutBody = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>;

export interface StoreCapabilities {
  /**
   * `openLog` works. "native": a log is one object that grows. "emulated": it is a row of immutable objects
   * (storage/segmented-log.ts), which job/log-reader.ts reads as one. false: there are no logs.
   */
  readonly append: "native" | "emulated" | false;
  /** `put({ ifAbsent })` is atomic between processes. */
  readonly putIfAbsent: boolean;
  /** Objects outlive this process. */
  readonly durable: boolean;
  /** `get` checks the bytes of a whole object against a checksum: nobody needs to check them again. */
  readonly checksums?: boolean;
}

export interface GetOptions {
  readonly range?: { readonly offsetBytes: number; readonly lengthBytes: number };
  readonly signal?: AbortSignal;
}

export interface PutOptions {
  readonly ifAbsent?: boolean;
  /** Which try of one put this is, from the retry layer: a store that can tell its own earlier effect answers for it. */
  readonly tryOf?: { readonly putId: string; readonly earlierTries: number };
  readonly signal?: AbortSignal;
}

export interface PutResult {
  readonly created: boolean;
}

export interface ListOptions {
  /** Only keys greater than this one. */
  readonly after?: string;
}

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** Another one for other bytes, where the store has such a mark: S3's ETag. */
  readonly version?: string;
}

/**
 * The one writer of a log. `append` is atomic only up to a crash: a torn tail is possible, so readers frame and
 * checksum what they write (job/frames.ts) and stop at the first bad frame. An append that fails left nothing behind,
 * or else ended the log: all later appends fail too, since no reader would see them.
 */
export interface LogWriter {
  readonly key: string;
  /** Bytes written so far. */
  readonly sizeBytes: number;
  /**
   * Appends the chunks, in order, as one write where the system allows; says where they lie. Synchronous on disk and
   * memory. The chunks are the caller's again once it has returned, or what it returned has settled.
   */
  append(chunks: readonly Uint8Array[]): MaybePromise<AppendPlace>;
  /** Makes what was appended survive a power loss (`durability: "fsync"`). */
  sync(): MaybePromise<void>;
  close(): MaybePromise<void>;
}

/** Where appended bytes lie: in an object that a range of which can be got. */
export interface AppendPlace {
  /** The log's own key, or that of one of its segments. */
  readonly key: string;
  readonly offsetBytes: number;
}
