import { StoreError } from "../errors.ts";
import { join, sizeOf } from "./bodies.ts";
import type { AppendPlace, GetOptions, LogWriter, MaybePromise, ObjectStore } from "./contract.ts";
import { logEnded, logExists } from "./failures.ts";
import { checkKey } from "./keys.ts";
import { StoreLayer } from "./layers/layer.ts";
import { SegmentCache } from "./segment-cache.ts";

/** Appends that wait go into one segment up to this size; a longer append is a segment of its own. */
const SEGMENT_BYTES = 4 * 1024 * 1024;

/**
 * Key of a log's n-th segment, from 0: `driver-0.log`, `driver-0.log.000001`, … The first has the log's own key, so
 * that a log exists where its first segment does. @returns e.g. `journals/x/driver-0.log.000012`
 */
export const segmentKey = (logKey: string, segment: number): string =>
  segment === 0 ? logKey : `${logKey}.${String(segment).padStart(6, "0")}`;

const SEGMENT = /\.log(\.\d{6,})?$/;

/**
 * Gives logs to a store that can't append: a log is a row of immutable, numbered objects, each put if absent, one
 * after the other (FORMAT.md, "Segments"). Objects named `….log` are segments: never put twice. Goes around the layers that retry: an append itself is never repeated.
 *
 * @example const store = withSegmentedLogs(withRetry(s3Store)); // capabilities.append: "emulated"
 */
export function withSegmentedLogs(store: ObjectStore): ObjectStore {
  return new SegmentedLogs(store);
}

class SegmentedLogs extends StoreLayer {
  override readonly capabilities;
  readonly #segments: SegmentCache;
  override readonly openLog = (key: string): LogWriter => {
    checkKey(key);
    return new SegmentedLog(this.inner, key);
  };

  constructor(inner: ObjectStore) {
    super(inner);
    this.capabilities = { ...inner.capabilities, append: "emulated" } as const;
    this.#segments = new SegmentCache(inner);
  }

  override get(key: string, options?: GetOptions): Promise<Uint8Array> {
    const { range } = options ?? {};
    // Who asks for more than a segment holds reads the log from one end to the other, once.
    if (range && range.lengthBytes < SEGMENT_BYTES && SEGMENT.test(key))
      return this.#segments.getRange(key, { ...options, range });
    return this.inner.get(key, options);
  }

  override delete(keys: readonly string[]): Promise<void> {
    this.#segments.forget(keys);
    return this.inner.delete(keys);
  }
}

interface Append {
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly resolve: (place: AppendPlace) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One put is in flight at a time: what is appended meanwhile goes together in the next segment. So segment n + 1 is
 * never there without segment n, and whoever reads in order reads a prefix of what was appended.
 */
class SegmentedLog implements LogWriter {
  readonly key: string;
  sizeBytes = 0;
  readonly #store: ObjectStore;
  #nextSegment = 0;
  #waiting: Append[] = [];
  #putting: Promise<void> | undefined;
  #ended: string | undefined;

  constructor(store: ObjectStore, key: string) {
    this.#store = store;
    this.key = key;
  }

  append(chunks: readonly Uint8Array[]): MaybePromise<AppendPlace> {
    if (this.#ended !== undefined) throw logEnded(this.key, this.#ended);
    const sizeBytes = sizeOf(chunks);
    if (sizeBytes === 0) return { key: segmentKey(this.key, this.#nextSegment), offsetBytes: 0 };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ chunks, sizeBytes, resolve, reject });
      this.#putting ??= this.#putAll();
    });
  }

  /** An append has settled only once it is stored. */
  sync(): void {}

  async close(): Promise<void> {
    await this.#putting;
    this.#ended ??= "it is closed";
  }

  async #putAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        const key = await this.#put(group.flatMap(({ chunks }) => chunks));
        this.#nextSegment += 1;
        let offsetBytes = 0;
        for (const { sizeBytes, resolve } of group) {
          resolve({ key, offsetBytes });
          offsetBytes += sizeBytes;
        }
        this.sizeBytes += offsetBytes;
      } catch (error) {
        // Perhaps it is stored all the same: another segment under its number, or behind it, might never be read.
        this.#ended = "an earlier append failed";
        for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(error);
      }
    }
    this.#putting = undefined;
  }

  #takeGroup(): Append[] {
    let sizeBytes = 0;
    let count = 0;
    for (const append of this.#waiting) {
      if (count > 0 && sizeBytes + append.sizeBytes > SEGMENT_BYTES) break;
      sizeBytes += append.sizeBytes;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** @throws StoreError BAD_KEY if somebody else's object is there */
  async #put(chunks: readonly Uint8Array[]): Promise<string> {
    const key = segmentKey(this.key, this.#nextSegment);
    const { created } = await this.#store.put(key, chunks, { ifAbsent: true });
    if (created) return key;
    // A put whose answer was lost, and that was repeated, finds its own object.
    const found = await this.#store.get(key);
    if (Buffer.compare(found, join(chunks)) === 0) return key;
    if (this.#nextSegment === 0) throw logExists(this.key);
    throw new StoreError(
      "BAD_KEY",
      `can't append to the log ${JSON.stringify(this.key)}: somebody else has written its segment ${key}`,
      { remedy: "A log has one writer: look for another process that writes it.", details: { key } },
    );
  }
}
