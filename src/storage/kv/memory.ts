import { type Clock, systemClock } from "../../clock.ts";
import { StoreError } from "../../errors.ts";
import {
  checkKeyName,
  checkReadSpan,
  checkSpan,
  checkStep,
  checkTtl,
  NOT_WHOLE,
  noCounter,
  TOO_GREAT,
} from "./checks.ts";
import type {
  AppendOptions,
  AppendResult,
  KeyValueStore,
  ListedKey,
  ListKeysOptions,
  PeekOptions,
  SwapResult,
  Version,
  VersionedValue,
  WaitOptions,
  WaitResult,
  WriteOptions,
} from "./contract.ts";

/**
 * A key-value store in this process's memory, for tests: the contract in its plainest form.
 *
 * @example const store = openMemoryKeyValueStore();
 */
export function openMemoryKeyValueStore(clock: Clock = systemClock): KeyValueStore {
  return new MemoryKeyValueStore(clock);
}

interface Entry {
  value: Uint8Array;
  version: Version;
  modifiedMs: number;
  listed: boolean;
  cancelExpiry?: (() => void) | undefined;
}

class MemoryKeyValueStore implements KeyValueStore {
  readonly description = "memory";
  readonly capabilities = { durable: false, shared: false };
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #waits = new Map<string, Set<() => void>>();
  #versions = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#find(key)?.value.slice();
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.#find(key)?.value.slice());
  }

  async getRange(key: string, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    checkReadSpan(key, offsetBytes, lengthBytes);
    return this.#find(key)?.value.slice(offsetBytes, offsetBytes + lengthBytes) ?? new Uint8Array();
  }

  async getVersioned(key: string, options: PeekOptions = {}): Promise<VersionedValue | undefined> {
    const entry = this.#find(key);
    return entry && peek(entry, options);
  }

  async sizeOf(key: string): Promise<number | undefined> {
    return this.#find(key)?.value.byteLength;
  }

  async set(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<void> {
    this.#set(key, value, options);
  }

  async setMany(entries: Iterable<readonly [string, Uint8Array]>, options: WriteOptions = {}): Promise<void> {
    for (const [key, value] of entries) this.#set(key, value, options);
  }

  async exchange(key: string, value: Uint8Array, options: WriteOptions & PeekOptions = {}) {
    const old = this.#find(key)?.value;
    this.#set(key, value, options);
    return old?.slice(0, options.maxBytes);
  }

  async compareAndSet(
    key: string,
    expected: Version | undefined,
    value: Uint8Array,
    options: WriteOptions = {},
  ): Promise<SwapResult> {
    const version = this.#find(key)?.version;
    if (version !== expected) return { swapped: false, version };
    return { swapped: true, version: this.#set(key, value, options).version };
  }

  async setRange(key: string, offsetBytes: number, bytes: Uint8Array): Promise<number> {
    checkSpan(key, offsetBytes, bytes.byteLength);
    return this.#write(key, offsetBytes, bytes).value.byteLength;
  }

  async addToRange(key: string, offsetBytes: number, deltas: Float32Array | Float64Array): Promise<void> {
    checkSpan(key, offsetBytes, deltas.byteLength);
    const sums = new Uint8Array(deltas.byteLength);
    sums.set(this.#find(key)?.value.subarray(offsetBytes, offsetBytes + sums.byteLength) ?? []);
    const view = new DataView(sums.buffer);
    deltas.forEach((delta: number, i: number) => {
      if (deltas instanceof Float32Array) view.setFloat32(4 * i, view.getFloat32(4 * i, true) + delta, true);
      else view.setFloat64(8 * i, view.getFloat64(8 * i, true) + delta, true);
    });
    this.#write(key, offsetBytes, sums);
  }

  async append(key: string, bytes: Uint8Array, { atBytes }: AppendOptions = {}): Promise<AppendResult> {
    const old = this.#find(key)?.value ?? new Uint8Array();
    checkSpan(key, old.byteLength, bytes.byteLength);
    if (atBytes !== undefined && old.byteLength !== atBytes) {
      const repeated =
        old.byteLength === atBytes + bytes.byteLength && Buffer.compare(old.subarray(atBytes), bytes) === 0;
      return { appended: repeated, sizeBytes: old.byteLength };
    }
    return {
      appended: true,
      sizeBytes: this.#write(key, old.byteLength, bytes).value.byteLength,
    };
  }

  async increment(key: string, by = 1): Promise<number> {
    checkStep(key, by);
    const entry = this.#find(key);
    const text = Buffer.from(entry?.value ?? []).toString() || "0";
    if (!/^-?\d+$/.test(text)) throw noCounter(key, NOT_WHOLE);
    const sum = Number(text) + by;
    if (!Number.isSafeInteger(sum)) throw noCounter(key, TOO_GREAT);
    const value = new Uint8Array(Buffer.from(String(sum)));
    if (entry) this.#change(key, entry, value);
    else this.#set(key, value, {});
    return sum;
  }

  async expire(keys: readonly string[], ttlMs: number | undefined): Promise<number> {
    const found = keys.filter((key) => this.#find(key));
    for (const key of found) {
      checkTtl(key, ttlMs);
      this.#expire(key, this.#entries.get(key)!, ttlMs);
    }
    return found.length;
  }

  async take(key: string, options: PeekOptions = {}): Promise<Uint8Array | undefined> {
    const value = this.#find(key)?.value;
    this.#remove(key);
    return value?.slice(0, options.maxBytes);
  }

  async delete(keys: readonly string[]): Promise<number> {
    for (const key of keys) checkKeyName(key);
    return keys.filter((key) => this.#remove(key)).length;
  }

  async waitForChange(
    key: string,
    since: Version | undefined,
    { timeoutMs, signal }: WaitOptions = {},
  ): Promise<WaitResult> {
    signal?.throwIfAborted();
    const first = this.#find(key)?.version;
    if (first !== since) return { changed: true, version: first };
    return new Promise((resolve, reject) => {
      const waits = this.#waits.get(key) ?? new Set();
      this.#waits.set(key, waits.add(wake));
      const cancelTimer =
        timeoutMs === undefined
          ? undefined
          : this.#clock.after(timeoutMs, () => end(() => resolve({ changed: false, version: since })));
      const onAbort = (): void => end(() => reject(signal!.reason));
      signal?.addEventListener("abort", onAbort);
      const end = (settle: () => void): void => {
        waits.delete(wake);
        cancelTimer?.();
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      const store = this;
      function wake(): void {
        const version = store.#entries.get(key)?.version;
        if (store.#closed) end(() => reject(closed()));
        else if (version !== since) end(() => resolve({ changed: true, version }));
      }
    });
  }

  async *list(prefix: string, { after = "", ...options }: ListKeysOptions = {}): AsyncIterable<ListedKey> {
    const wanted = [...this.#entries].filter(
      ([key, { listed }]) => listed && key.startsWith(prefix) && key > after,
    );
    for (const key of wanted.map(([key]) => key).sort()) {
      const entry = this.#find(key);
      if (entry) yield { key, ...peek(entry, options) };
    }
  }

  async *scan(prefix: string): AsyncIterable<string> {
    for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix)) yield key;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { cancelExpiry } of this.#entries.values()) cancelExpiry?.();
    for (const key of [...this.#waits.keys()]) this.#wake(key);
  }

  #find(key: string): Entry | undefined {
    if (this.#closed) throw closed();
    checkKeyName(key);
    return this.#entries.get(key);
  }

  #set(key: string, value: Uint8Array, { ttlMs, listed = false }: WriteOptions): Entry {
    checkTtl(key, ttlMs);
    checkSpan(key, 0, value.byteLength);
    const old = this.#find(key);
    const entry = old ?? { value, version: "", modifiedMs: 0, listed };
    entry.listed ||= listed;
    this.#entries.set(key, entry);
    this.#expire(key, entry, ttlMs);
    this.#change(key, entry, value.slice());
    return entry;
  }

  /** Writes into the value, which grows as needed. */
  #write(key: string, offsetBytes: number, bytes: Uint8Array): Entry {
    const entry = this.#find(key) ?? this.#set(key, new Uint8Array(), {});
    const endBytes = bytes.byteLength === 0 ? 0 : offsetBytes + bytes.byteLength;
    const value = new Uint8Array(Math.max(entry.value.byteLength, endBytes));
    value.set(entry.value);
    if (endBytes > 0) value.set(bytes, offsetBytes);
    this.#change(key, entry, value);
    return entry;
  }

  #change(key: string, entry: Entry, value: Uint8Array): void {
    entry.value = value;
    entry.version = `v${++this.#versions}`;
    entry.modifiedMs = this.#clock.nowMs();
    this.#wake(key);
  }

  #expire(key: string, entry: Entry, ttlMs: number | undefined): void {
    entry.cancelExpiry?.();
    entry.cancelExpiry = ttlMs === undefined ? undefined : this.#clock.after(ttlMs, () => this.#remove(key));
  }

  #remove(key: string): boolean {
    this.#entries.get(key)?.cancelExpiry?.();
    const removed = this.#entries.delete(key);
    if (removed) this.#wake(key);
    return removed;
  }

  #wake(key: string): void {
    for (const wake of [...(this.#waits.get(key) ?? [])]) wake();
  }
}

function peek(entry: Entry, { maxBytes }: PeekOptions): VersionedValue {
  return {
    value: entry.value.slice(0, maxBytes),
    version: entry.version,
    modifiedMs: entry.modifiedMs,
  };
}

function closed(): StoreError {
  return new StoreError("STORE_UNAVAILABLE", "the key-value store in memory is closed");
}
