import { setTimeout as delay } from "node:timers/promises";
import { StoreError } from "../../errors.ts";
import { join, sizeOf } from "../bodies.ts";
import type { AppendPlace, LogWriter, MaybePromise } from "../contract.ts";
import { logEnded } from "../failures.ts";
import type { KeyValueStore } from "../kv/contract.ts";
import { partKey, SEGMENT_BYTES } from "./head.ts";

/** Patience with a server that is away: about 20 s. */
const ATTEMPTS = 10;
const LONGEST_DELAY_MS = 4_000;
/** Appends that wait are written together up to this size. */
const GROUP_BYTES = 4 * 1024 * 1024;

interface Append {
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly resolve: (place: AppendPlace) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The writer of a log on keys: appends to its last segment, a value that grows in place. One append is under way at a time;
 * those that come meanwhile go together in the next. An append says at which size it goes on, so it is safe to
 * repeat when its answer was lost.
 */
export class KeyedLog implements LogWriter {
  readonly key: string;
  sizeBytes = 0;
  readonly #store: KeyValueStore;
  readonly #id: string;
  #waiting: Append[] = [];
  #writing: Promise<void> | undefined;
  #ended: string | undefined;

  constructor(store: KeyValueStore, key: string, id: string) {
    this.#store = store;
    this.key = key;
    this.#id = id;
  }

  append(chunks: readonly Uint8Array[]): MaybePromise<AppendPlace> {
    if (this.#ended !== undefined) throw logEnded(this.key, this.#ended);
    const sizeBytes = sizeOf(chunks);
    if (sizeBytes === 0) return { key: this.key, offsetBytes: this.sizeBytes };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ chunks, sizeBytes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** What has settled is in the server; whether that syncs is its own setting. */
  sync(): void {}

  async close(): Promise<void> {
    await this.#writing;
    this.#ended ??= "it is closed";
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        let offsetBytes = this.sizeBytes;
        await this.#write(join(group.flatMap(({ chunks }) => chunks)));
        for (const { sizeBytes, resolve } of group) {
          resolve({ key: this.key, offsetBytes });
          offsetBytes += sizeBytes;
        }
      } catch (error) {
        this.#ended = "an earlier append failed";
        for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(error);
      }
    }
    this.#writing = undefined;
  }

  #takeGroup(): Append[] {
    let sizeBytes = 0;
    let count = 0;
    for (const append of this.#waiting) {
      if (count > 0 && sizeBytes + append.sizeBytes > GROUP_BYTES) break;
      sizeBytes += append.sizeBytes;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      const number = Math.floor(this.sizeBytes / SEGMENT_BYTES);
      const atBytes = this.sizeBytes - number * SEGMENT_BYTES;
      const part = bytes.subarray(at, at + SEGMENT_BYTES - atBytes);
      await this.#appendAt(partKey(this.#id, number), part, atBytes);
      this.sizeBytes += part.byteLength;
      at += part.byteLength;
    }
  }

  async #appendAt(segment: string, bytes: Uint8Array, atBytes: number): Promise<void> {
    for (let failures = 0; ; ) {
      try {
        const { appended } = await this.#store.append(segment, bytes, { atBytes });
        if (appended) return;
        throw new StoreError(
          "STORE_UNWRITABLE",
          `can't append to the log ${JSON.stringify(this.key)}: it was deleted, or another process writes it`,
          { remedy: "A log has one writer, as long as it is there.", details: { key: this.key } },
        );
      } catch (error) {
        const again = error instanceof StoreError && error.code === "STORE_UNAVAILABLE";
        if (!again || ++failures >= ATTEMPTS) throw error;
        await delay(Math.min(25 * 2 ** failures, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2));
      }
    }
  }
}

/** Bytes `[start, end)` of a log, as far as it reaches. */
export async function* readLogBytes(
  store: KeyValueStore,
  id: string,
  start: number,
  end: number,
  pieceBytes: number,
): AsyncIterable<Uint8Array> {
  for (let at = start; at < end; ) {
    const number = Math.floor(at / SEGMENT_BYTES);
    const from = at - number * SEGMENT_BYTES;
    const wanted = Math.min(end - at, SEGMENT_BYTES - from, pieceBytes);
    const bytes = await store.getRange(partKey(id, number), from, wanted);
    if (bytes.byteLength > 0) yield bytes;
    if (bytes.byteLength < wanted) return;
    at += wanted;
  }
}

export interface LogSize {
  readonly sizeBytes: number;
  /** Of the last append; undefined for an empty log. */
  readonly modifiedMs: number | undefined;
  readonly segmentKeys: readonly string[];
}

/** Segments that are looked at together. */
const PROBES = 8;

export async function sizeOfLog(store: KeyValueStore, id: string): Promise<LogSize> {
  const segmentKeys: string[] = [];
  for (let sizeBytes = 0; ; ) {
    const keys = Array.from({ length: PROBES }, (_, i) => partKey(id, segmentKeys.length + i));
    const sizes = await Promise.all(keys.map((key) => store.sizeOf(key)));
    const there = sizes.filter((size) => size !== undefined);
    segmentKeys.push(...keys.slice(0, there.length));
    sizeBytes += there.reduce((sum, size) => sum + size, 0);
    if (there.length === PROBES) continue;
    const last = segmentKeys.at(-1);
    const found = last === undefined ? undefined : await store.getVersioned(last, { maxBytes: 0 });
    return { sizeBytes, modifiedMs: found?.modifiedMs, segmentKeys };
  }
}
