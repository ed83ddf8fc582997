/**
 * The key-value store: small binary values under keys, at low latency (paper §3.2). It holds a job's small objects, a
 * shuffle's intermediate data, and a parameter server's blocks.
 *
 * Obligations of every implementation, checked by the shared suite in test/conformance/key-value-store.ts:
 * - Keys are 1–1,000 bytes of well-formed UTF-8, otherwise free. Anything else is a StoreError BAD_KEY.
 * - Values are bytes, up to `MAX_VALUE_BYTES`. An empty value is there; a key without a value is absent.
 * - **One key is atomic**: each call on one key happens whole, at one moment between call and answer, and every client sees these
 *   moments in the same order (linearizable, as long as the server doesn't fail over to a replica that lags behind).
 *   Calls on many keys (`getMany`, `setMany`, `delete`, `expire`) are many such calls: others may come in between.
 * - **Versions** are opaque and new with every write of a key, so two equal versions of a key mean that nobody wrote in between.
 * - A call that fails with STORE_UNAVAILABLE may have taken effect. It is never repeated by the store itself. Idempotent, so
 *   safe to repeat: all reads, `set`, `setMany`, `setRange`, `expire`, `delete`, `append` with `atBytes`. Not so: `append`
 *   without it, `increment`, `addToRange`, `exchange`, `take`; and `compareAndSet` then finds its own value.
 * - Failures are StoreErrors as an object store's: STORE_UNWRITABLE, STORE_FULL, STORE_CORRUPT, STORE_UNAVAILABLE, BAD_KEY;
 *   arguments out of range are UsageErrors BAD_ARGUMENT. No call hangs.
 */
export interface KeyValueStore {
  /** For messages: "memory", "redis://host:6379/0". Never holds a secret. */
  readonly description: string;
  readonly capabilities: KeyValueCapabilities;

  /** The value, or undefined where there is none. The bytes are the caller's. */
  get(key: string): Promise<Uint8Array | undefined>;

  /** The values of the keys, in their order; undefined where there is none. */
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;

  /** Bytes of the value from `offsetBytes` on: fewer than `lengthBytes` where it ends, none where it is absent. */
  getRange(key: string, offsetBytes: number, lengthBytes: number): Promise<Uint8Array>;

  /** The value with its version, for `compareAndSet` and `waitForChange`; of a long one only the first `maxBytes`. */
  getVersioned(key: string, options?: PeekOptions): Promise<VersionedValue | undefined>;

  /** Size of the value in bytes, or undefined where there is none. */
  sizeOf(key: string): Promise<number | undefined>;

  /** Sets the value; the last writer wins. Without `ttlMs` the key no longer expires. */
  set(key: string, value: Uint8Array, options?: WriteOptions): Promise<void>;

  /** Sets many values, each as `set` does. */
  setMany(
    entries: Iterable<readonly [key: string, value: Uint8Array]>,
    options?: WriteOptions,
  ): Promise<void>;

  /** Sets the value, and gives what was there before: its first `maxBytes` (default: all of it). */
  exchange(
    key: string,
    value: Uint8Array,
    options?: WriteOptions & PeekOptions,
  ): Promise<Uint8Array | undefined>;

  /**
   * Sets the value if the key's version is `expected` (undefined: if the key is absent); else changes nothing.
   *
   * @example
   * const old = await store.getVersioned("leader");
   * const { swapped } = await store.compareAndSet("leader", old?.version, mine, { ttlMs: 10_000 });
   */
  compareAndSet(
    key: string,
    expected: Version | undefined,
    value: Uint8Array,
    options?: WriteOptions,
  ): Promise<SwapResult>;

  /**
   * Overwrites bytes of the value from `offsetBytes` on, in place; it grows as needed (not for no bytes), with zeros in
   * a gap, and starts empty where the key is absent. Expiry stays as it is. @returns the value's size in bytes
   */
  setRange(key: string, offsetBytes: number, bytes: Uint8Array): Promise<number>;

  /**
   * Adds each of `deltas` to the little-endian number of the same type that lies at its place from `offsetBytes` on; what is
   * not there counts as 0. All of it is one atomic step, done where the value lies. Expiry stays as it is.
   *
   * @example await store.addToRange("weights", 4 * first, new Float32Array([0.5, -0.25]));
   */
  addToRange(key: string, offsetBytes: number, deltas: Float32Array | Float64Array): Promise<void>;

  /**
   * Appends to the value, which starts empty where the key is absent. With `atBytes` only if the value has that size, or if exactly these
   * bytes follow there already (the same append, whose answer was lost). Expiry stays as it is.
   */
  append(key: string, bytes: Uint8Array, options?: AppendOptions): Promise<AppendResult>;

  /**
   * Adds a whole number (default 1) to the value, which is a whole number in decimal digits, 0 where the key is absent.
   * Expiry stays as it is. @returns the sum. @throws UsageError BAD_ARGUMENT if it is no whole number within ±(2^53 - 1)
   */
  increment(key: string, by?: number): Promise<number>;

  /** Lets the keys expire `ttlMs` from now; with undefined, never. @returns how many of them were there */
  expire(keys: readonly string[], ttlMs: number | undefined): Promise<number>;

  /** Gives the value (its first `maxBytes`), and removes the key, in one step. */
  take(key: string, options?: PeekOptions): Promise<Uint8Array | undefined>;

  /** Removes the keys. @returns how many of them were there */
  delete(keys: readonly string[]): Promise<number>;

  /**
   * Waits until the key's version isn't `since` (undefined: until the key is there), without polling. No change is lost: one
   * between the read that gave `since` and this call ends the wait at once. Deletion and expiry are changes (the latter
   * may be noticed up to a second late). Many changes may be seen as one.
   *
   * @example
   * let seen = await store.getVersioned("model");
   * while ((await store.waitForChange("model", seen?.version, { timeoutMs: 60_000 })).changed) {
   *   seen = await store.getVersioned("model");
   * }
   */
  waitForChange(key: string, since: Version | undefined, options?: WaitOptions): Promise<WaitResult>;

  /**
   * The keys that start with `prefix` ("" for all) and were written with `listed`, in code-unit order, lazily, each with
   * version and first `maxBytes` (default 0) of its value. Keys written or removed meanwhile may be there or not.
   */
  list(prefix: string, options?: ListKeysOptions): AsyncIterable<ListedKey>;

  /**
   * All keys that start with `prefix`, listed or not, in no order, some perhaps twice; reads through the whole store. Keys
   * that are there all the while are among them.
   */
  scan(prefix: string): AsyncIterable<string>;

  /** Ends connections; waits end with STORE_UNAVAILABLE, and so do calls under way. */
  close(): Promise<void>;
}

export interface KeyValueCapabilities {
  /** Values outlive this process. */
  readonly durable: boolean;
  /** Other processes see the same values. */
  readonly shared: boolean;
}

/** Greatest size of a value, in bytes: Redis's limit of 512 MiB for a string, less what Kinglet adds. */
export const MAX_VALUE_BYTES = 512 * 1024 * 1024 - 64;

/** Names one state of a key. Opaque: compare versions with `===` only. */
export type Version = string;

export interface VersionedValue {
  readonly value: Uint8Array;
  readonly version: Version;
  /** When the value was last written, by the writer's clock: milliseconds since the epoch. */
  readonly modifiedMs: number;
}

export interface WriteOptions {
  /** Milliseconds until the key expires, at least 1. Default: never. */
  readonly ttlMs?: number;
  /**
   * `list` finds the key, from this call until it is deleted or expires. Costs an entry in an index, which is
   * written in the same atomic step.
   */
  readonly listed?: boolean;
}

export interface PeekOptions {
  /** How many bytes of the value are wanted, from its start. Default: all. */
  readonly maxBytes?: number;
}

export interface AppendOptions {
  /** The size that the value must have, in bytes; 0 for an absent key too. */
  readonly atBytes?: number;
}

export interface AppendResult {
  readonly appended: boolean;
  /** Size of the value afterwards, in bytes. */
  readonly sizeBytes: number;
}

export interface SwapResult {
  readonly swapped: boolean;
  /** The key's version afterwards; undefined where it is absent. */
  readonly version: Version | undefined;
}

export interface WaitOptions {
  /** Default: no limit. */
  readonly timeoutMs?: number;
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WaitResult {
  /** False if the time was up. */
  readonly changed: boolean;
  readonly version: Version | undefined;
}

export interface ListKeysOptions extends PeekOptions {
  /** Only keys greater than this one. */
  readonly after?: string;
}

export interface ListedKey extends VersionedValue {
  readonly key: string;
}
