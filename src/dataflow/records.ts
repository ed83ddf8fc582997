import { FrameReader } from "./frames.ts";
import { compareBytes, type KeySpans, prefixOf } from "./key-sort.ts";
import type { Cursor, KeyRange, RunSource } from "./merge.ts";

/** What records are, and where their keys lie; plain data. */
export type RecordRule =
  | {
      readonly kind: "fixed";
      readonly recordBytes: number;
      readonly keyOffset: number;
      readonly keyBytes: number;
    }
  | { readonly kind: "lines" };

const LINE_BREAK = 10;

/** Where each record of some bytes lies, and where its key; all without decoding a single one. */
export interface RecordTable extends KeySpans {
  readonly count: number;
  /** Where record i begins; the last one is followed by the end of all. */
  readonly records: Uint32Array;
}

/** Finds the records. Lines must all end with a line break. */
export function findRecords(bytes: Uint8Array, rule: RecordRule): RecordTable {
  return rule.kind === "lines" ? findLines(bytes) : findFixed(bytes, rule);
}

function findFixed(bytes: Uint8Array, rule: Extract<RecordRule, { kind: "fixed" }>): RecordTable {
  const count = bytes.length / rule.recordBytes;
  const records = new Uint32Array(count + 1);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * rule.recordBytes;
    records[i] = at;
    starts[i] = at + rule.keyOffset;
    ends[i] = at + rule.keyOffset + rule.keyBytes;
  }
  records[count] = bytes.length;
  return { bytes, count, records, starts, ends };
}

function findLines(bytes: Uint8Array): RecordTable {
  let found = new Uint32Array(1 + (bytes.length >> 5));
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(LINE_BREAK, at) + 1;
    if (++count === found.length) {
      const grown = new Uint32Array(2 * found.length);
      grown.set(found);
      found = grown;
    }
    found[count] = end;
    at = end;
  }
  const records = found.slice(0, count + 1);
  const starts = records.subarray(0, count);
  // Without its line break a line is before those that go on.
  const ends = records.slice(1).map((end) => end - 1);
  return { bytes, count, records, starts, ends };
}

/** A sorted run of records, in frames of whole records. */
export class RecordCursor implements Cursor<RecordCursor> {
  readonly #source: RunSource;
  readonly #frames: FrameReader;
  readonly #rule: RecordRule;
  readonly #range: KeyRange;
  readonly rank: number;
  bytes: Buffer = Buffer.alloc(0);
  /** The record, with its line break. */
  start = 0;
  end = 0;
  #keyStart = 0;
  #keyEnd = 0;
  #prefix = 0;

  constructor(source: RunSource, rank: number, rule: RecordRule, range: KeyRange) {
    this.#source = source;
    this.#frames = new FrameReader(source.name);
    this.rank = rank;
    this.#rule = rule;
    this.#range = range;
  }

  /** Of the record; a view of bytes that are soon others. */
  get key(): Uint8Array {
    return this.bytes.subarray(this.#keyStart, this.#keyEnd);
  }

  async open(): Promise<boolean> {
    const { low } = this.#range;
    if (!(await this.refill())) return false;
    while (low && this.#compareKey(low) < 0) {
      if (!this.step() && !(await this.refill())) return false;
    }
    return !this.isDone;
  }

  step(): boolean {
    if (this.end >= this.bytes.length) return false;
    this.#place(this.end);
    return true;
  }

  async refill(): Promise<boolean> {
    try {
      for (;;) {
        const frame = this.#frames.next();
        if (frame !== undefined) {
          this.bytes = frame;
          this.#place(0);
          return true;
        }
        const chunk = await this.#source.next();
        if (chunk === undefined) {
          this.#frames.end();
          return false;
        }
        this.#frames.push(chunk);
      }
    } catch (error) {
      throw this.#source.failure?.(error) ?? error;
    }
  }

  get isDone(): boolean {
    const { high } = this.#range;
    return high !== undefined && this.#compareKey(high) >= 0;
  }

  isBefore(other: RecordCursor): boolean {
    if (this.#prefix !== other.#prefix) return this.#prefix < other.#prefix;
    const order = compareBytes(
      this.bytes,
      this.#keyStart,
      this.#keyEnd,
      other.bytes,
      other.#keyStart,
      other.#keyEnd,
    );
    return order === 0 ? this.rank < other.rank : order < 0;
  }

  #compareKey(key: Uint8Array): number {
    return compareBytes(this.bytes, this.#keyStart, this.#keyEnd, key, 0, key.length);
  }

  #place(start: number): void {
    const rule = this.#rule;
    this.start = start;
    if (rule.kind === "fixed") {
      this.end = start + rule.recordBytes;
      this.#keyStart = start + rule.keyOffset;
      this.#keyEnd = this.#keyStart + rule.keyBytes;
    } else {
      this.end = this.bytes.indexOf(LINE_BREAK, start) + 1;
      this.#keyStart = start;
      this.#keyEnd = this.end - 1;
    }
    this.#prefix = prefixOf(this.bytes, this.#keyStart, this.#keyEnd);
  }
}
