import { KeyWriter } from "./keys.ts";
import type { SizeEstimate } from "./size-estimate.ts";

export type Combine = (a: unknown, b: unknown) => unknown;

/** Pairs, in the order in which their keys came; these lie in one buffer. */
export interface Collected {
  readonly bytes: Buffer;
  /** Where key i begins and ends. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly values: readonly unknown[];
}

const PAIR_BYTES = 16;
/** Words are runs of bytes above it: blanks, tabs, line breaks and control characters are between. */
export const BLANK = 32;

/** All pairs of a task that has no combiner. */
export class PairList {
  readonly #sizes: SizeEstimate;
  #keys = new KeyWriter(64 * 1024);
  #ends: number[] = [];
  #values: unknown[] = [];
  /** What the pairs take in memory. */
  sizeBytes = 0;

  constructor(sizes: SizeEstimate) {
    this.#sizes = sizes;
  }

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }

  /** @throws UsageError BAD_ARGUMENT for a key without equality by structure */
  add(key: unknown, value: unknown): void {
    this.#keys.add(key);
    this.#append(value);
  }

  /** As `add` with the string whose UTF-8 lies in `bytes` from `start` to `end`. */
  addText(bytes: Uint8Array, start: number, end: number, value: unknown): void {
    this.#keys.addText(bytes.subarray(start, end));
    this.#append(value);
  }

  /** As that of `CombineTable`. */
  addWords(bytes: Uint8Array, from: number, value: unknown, limitBytes: number): number {
    const { length } = bytes;
    let start = from;
    for (let at = from; at <= length; at++) {
      if (at < length && bytes[at]! > BLANK) continue;
      if (at > start) {
        this.addText(bytes, start, at, value);
        if (this.sizeBytes > limitBytes) return at;
      }
      start = at + 1;
    }
    return length;
  }

  #append(value: unknown): void {
    const end = this.#keys.length;
    this.sizeBytes += end - (this.#ends.at(-1) ?? 0) + PAIR_BYTES + this.#sizes.of(value);
    this.#ends.push(end);
    this.#values.push(value);
  }

  /** As that of `CombineTable`. */
  settle(): void {}

  /** All pairs; the list is empty again. */
  take(): Collected {
    const count = this.#values.length;
    const ends = Uint32Array.from(this.#ends);
    const starts = new Uint32Array(count);
    if (count > 0) starts.set(ends.subarray(0, count - 1), 1);
    const collected = { bytes: this.#keys.bytes, starts, ends, values: this.#values };
    this.#keys = new KeyWriter(64 * 1024);
    this.#ends = [];
    this.#values = [];
    this.sizeBytes = 0;
    return collected;
  }
}
