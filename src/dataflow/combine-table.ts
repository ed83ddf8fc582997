import { isUtf8 } from "node:buffer";
import { hashWith, headHash, KeySlots, lowBytes } from "./key-slots.ts";
import { KeyWriter, STRING_TAG } from "./keys.ts";
import { BLANK, type Collected, type Combine } from "./pair-list.ts";
import { growthOf, type SizeEstimate } from "./size-estimate.ts";

/** Two slots, its value, and half as much again as its hash, where it begins and how often the usual value came take. */
const ENTRY_BYTES = 2 * 16 + 8 + 1.5 * (4 + 4 + 8);
const FIRST_KEY_BYTES = 64 * 1024;
/** Longer strings are encoded by the engine, which is quicker then. */
const SHORT_TEXT = 64;
/** In place of a value that nobody gave: the usual one only. */
const NONE = Symbol("none");

/**
 * The combined value of each key, by the key's bytes. A `Map` of strings takes several times as long: it makes a string of each key and calls into the engine for its hash.
 *
 * Where one number comes again and again, as the 1 in a word count, it is only counted; in the end `combine`, which is associative,
 * doubles it.
 */
export class CombineTable {
  readonly #combine: Combine;
  readonly #sizes: SizeEstimate;
  #slots!: KeySlots;
  #keys!: KeyWriter;
  #values!: unknown[];
  /** The number that is only counted: the first one that came. */
  #usual: number | undefined;
  /** How often it came for each entry. */
  #counts!: Float64Array;
  /** The bytes that words and texts lie in, and a view of them: they come from the same ones many times. */
  #source: Uint8Array | undefined;
  #view!: DataView;
  /** What the pairs take in memory; what the table has from the start doesn't count. */
  sizeBytes = 0;

  constructor(combine: Combine, sizes: SizeEstimate) {
    this.#combine = combine;
    this.#sizes = sizes;
    this.#reset();
  }

  get isEmpty(): boolean {
    return this.#values.length === 0;
  }

  /** @throws UsageError BAD_ARGUMENT for a key without equality by structure */
  add(key: unknown, value: unknown): void {
    if (typeof key === "string" && key.length <= SHORT_TEXT && this.#addAscii(key, value)) return;
    const keys = this.#keys;
    const start = keys.length;
    keys.add(key);
    const end = keys.length;
    keys.length = start;
    if (keys.bytes[start] === STRING_TAG) this.#addBytes(keys.bytes, start + 1, end, end - start - 1, value);
    else this.#addBytes(keys.bytes, start, end, start - end, value);
  }

  /** As `add` with the string whose UTF-8 lies in `bytes` from `start` to `end`, which isn't made. */
  addText(bytes: Uint8Array, start: number, end: number, value: unknown): void {
    this.#addBytes(bytes, start, end, end - start, value);
  }

  /**
   * Each word of `bytes` from `from` on, until the pairs take more than `limitBytes`. Four bytes at a time are looked at: what is above
   * the first blank of them belongs to no key.
   * @returns the end of the last word that was added
   */
  addWords(bytes: Uint8Array, from: number, value: unknown, limitBytes: number): number {
    const view = this.#viewOf(bytes);
    const lastHead = bytes.length - 8;
    let at = from;
    while (at <= lastHead) {
      let first = view.getInt32(at, true);
      let second = 0;
      let blank = firstBlank(first);
      if (blank === 0) {
        at++;
        continue;
      }
      let end = at + blank;
      if (blank < 4) first &= lowBytes(blank);
      else {
        second = view.getInt32(at + 4, true);
        blank = firstBlank(second);
        end += blank;
        if (blank < 4) second &= lowBytes(blank);
        else end = endOfWord(bytes, end);
      }
      this.#addHead(first, second, bytes, at, end, end - at, value);
      at = end + 1;
      if (this.sizeBytes > limitBytes) return end;
    }
    return this.#addLastWords(bytes, at, value, limitBytes);
  }

  /** Byte by byte, where there may be less than a head. */
  #addLastWords(bytes: Uint8Array, from: number, value: unknown, limitBytes: number): number {
    for (let start = from; start < bytes.length; start++) {
      const end = endOfWord(bytes, start);
      if (end === start) continue;
      this.addText(bytes, start, end, value);
      if (this.sizeBytes > limitBytes) return end;
      start = end;
    }
    return bytes.length;
  }

  /** False if it isn't ASCII; then nothing is added. */
  #addAscii(text: string, value: unknown): boolean {
    const size = text.length;
    const keys = this.#keys;
    keys.reserve(1 + size);
    const { bytes } = keys;
    const start = keys.length + 1;
    let all = 0;
    let first = 0;
    let second = 0;
    for (let i = 0; i < size; i++) {
      const unit = text.charCodeAt(i);
      all |= unit;
      bytes[start + i] = unit;
      // A shift by 32 and more is one by 32 less.
      if (i < 4) first |= unit << (8 * i);
      else if (i < 8) second |= unit << (8 * i);
    }
    if (all >= 0x80) return false;
    this.#addHead(first, second, bytes, start, start + size, size, value);
    return true;
  }

  #addBytes(bytes: Uint8Array, start: number, end: number, kind: number, value: unknown): void {
    const length = end - start;
    let first = 0;
    let second = 0;
    if (start + 8 <= bytes.length) {
      const view = this.#viewOf(bytes);
      first = view.getInt32(start, true);
      if (length < 4) first &= lowBytes(length);
      if (length > 4) second = view.getInt32(start + 4, true);
      if (length > 4 && length < 8) second &= lowBytes(length - 4);
    } else {
      for (let i = 0; i < length; i++) {
        if (i < 4) first |= bytes[start + i]! << (8 * i);
        else second |= bytes[start + i]! << (8 * i);
      }
    }
    this.#addHead(first, second, bytes, start, end, kind, value);
  }

  /**
   * @param first four bytes of the key, and `second` four: 0 where it is shorter
   * @param kind the length of a text, or less than 0 for another key, by the length of all its bytes
   */
  #addHead(
    first: number,
    second: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    kind: number,
    value: unknown,
  ): void {
    let hash = headHash(first, second);
    for (let i = start + 8; i < end; i++) hash = hashWith(hash, bytes[i]!);
    const entry = this.#slots.find(first, second, kind, hash, this.#keys.bytes, bytes, start, end);
    if (entry < 0) this.#insert(first, second, kind, hash, bytes, start, end, value);
    else if (value === this.#usual) this.#counts[entry]!++;
    else this.#update(entry, value);
  }

  #insert(
    first: number,
    second: number,
    kind: number,
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    value: unknown,
  ): void {
    const keys = this.#keys;
    if (kind >= 0 && !this.#putText(bytes, start, end)) {
      this.add(Buffer.from(bytes.subarray(start, end)).toString("utf8"), value);
      return;
    }
    const length = end - start + (kind >= 0 ? 1 : 0);
    keys.length += length;
    this.#usual ??= typeof value === "number" && value !== 0 ? value : undefined;
    const isUsual = value === this.#usual;
    const entry = this.#slots.insert(first, second, kind, hash, keys.length);
    if (entry === this.#counts.length) this.#counts = grown(this.#counts);
    if (isUsual) this.#counts[entry] = 1;
    this.#values.push(isUsual ? NONE : value);
    this.sizeBytes += length + ENTRY_BYTES + this.#sizes.of(value);
  }

  /** Behind the last key. False if it isn't UTF-8, as strings are: then it is the same key as the string that it is read as. */
  #putText(bytes: Uint8Array, start: number, end: number): boolean {
    const keys = this.#keys;
    keys.reserve(1 + end - start);
    const { bytes: own } = keys;
    let at = keys.length;
    let all = 0;
    own[at++] = STRING_TAG;
    for (let i = start; i < end; i++) {
      all |= bytes[i]!;
      own[at++] = bytes[i]!;
    }
    return all < 0x80 || isUtf8(bytes.subarray(start, end));
  }

  #update(entry: number, value: unknown): void {
    const values = this.#values;
    const before = values[entry];
    if (before === NONE) {
      values[entry] = value;
      this.sizeBytes += growthOf(value);
    } else if (typeof before === "number") values[entry] = this.#combine(before, value);
    else {
      const sizeBefore = growthOf(before);
      const combined = this.#combine(before, value);
      values[entry] = combined;
      this.sizeBytes += growthOf(combined) - sizeBefore;
    }
  }

  /** Combines what was only counted. Call it before `take` where an error of `combine` is to be seen as such. */
  settle(): void {
    const counts = this.#counts;
    const values = this.#values;
    for (let entry = 0; entry < values.length; entry++) {
      const times = counts[entry]!;
      if (times === 0) continue;
      counts[entry] = 0;
      const counted = repeated(this.#combine, this.#usual!, times);
      const before = values[entry];
      values[entry] = before === NONE ? counted : this.#combine(before, counted);
    }
  }

  /** All pairs; the table is empty again. */
  take(): Collected {
    this.settle();
    const count = this.#values.length;
    const { starts: all } = this.#slots;
    const collected = {
      bytes: this.#keys.bytes,
      starts: all.subarray(0, count),
      ends: all.subarray(1, count + 1),
      values: this.#values,
    };
    this.#reset();
    return collected;
  }

  #viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.#source) {
      this.#source = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }

  #reset(): void {
    this.#slots = new KeySlots();
    this.#keys = new KeyWriter(FIRST_KEY_BYTES);
    this.#values = [];
    this.#counts = new Float64Array(4096);
    this.#usual = undefined;
    this.#source = undefined;
    this.sizeBytes = 0;
  }
}

/** The number of the first byte that is no more than 32, from the lowest on; 4 if none is. */
function firstBlank(four: number): number {
  // Bytes below 33 borrow their highest bit, others from 128 on have it already; above the first, borrows may be wrong.
  const borrowed = (four - 0x21212121) & ~four & 0x80808080;
  return borrowed === 0 ? 4 : (31 - Math.clz32(borrowed & -borrowed)) >>> 3;
}

function endOfWord(bytes: Uint8Array, from: number): number {
  let end = from;
  while (end < bytes.length && bytes[end]! > BLANK) end++;
  return end;
}

/** A number combined with itself so many times, by doubling. */
function repeated(combine: Combine, value: number, times: number): unknown {
  let power = value;
  let result: unknown = NONE;
  for (let rest = times; ; ) {
    if (rest % 2 === 1) result = result === NONE ? power : combine(result, power);
    rest = Math.floor(rest / 2);
    if (rest === 0) return result;
    const doubled = combine(power, power);
    // Objects may be changed by combining them.
    if (typeof doubled !== "number") return oneByOne(combine, value, times);
    power = doubled;
  }
}

function oneByOne(combine: Combine, value: number, times: number): unknown {
  let result: unknown = value;
  for (let i = 1; i < times; i++) result = combine(result, value);
  return result;
}

function grown(numbers: Float64Array): Float64Array {
  const more = new Float64Array(2 * numbers.length);
  more.set(numbers);
  return more;
}
