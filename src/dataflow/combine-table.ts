import { isUtf8 } from "node:buffer";
import { KeyWriter, STRING_TAG } from "./keys.ts";
import { BLANK, type Collected, type Combine } from "./pair-list.ts";
import { HASH_START, hashOf, hashStep } from "./partitioner.ts";
import { growthOf, type SizeEstimate } from "./size-estimate.ts";

/** A slot has two numbers, the hash and the number of the entry from 1 (0: free), so that as many as can be are in the cache. */
const SLOT_NUMBERS = 2;
const FIRST_SLOTS = 1 << 12;
/** Two slots at the most, where the key begins, and the value. */
const ENTRY_BYTES = 2 * 8 + 4 + 8;
const FIRST_KEY_BYTES = 64 * 1024;
/** Longer strings are encoded by the engine, which is quicker then. */
const SHORT_TEXT = 64;

/**
 * The combined value of each key, by the key's bytes: a table with open addressing. A `Map` of strings takes twice as long: it calls into the engine for a string's hash.
 */
export class CombineTable {
  readonly #combine: Combine;
  readonly #sizes: SizeEstimate;
  #slots!: Int32Array;
  #mask!: number;
  /** Entry e has the key from `starts[e - 1]` to `starts[e]`. */
  #starts!: Uint32Array;
  #keys!: KeyWriter;
  #values!: unknown[];
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
    const hash = hashOf(keys.bytes, start, end);
    const place = this.#find(keys.bytes[start]!, keys.bytes, start + 1, end, hash);
    const entry = this.#slots[place + 1]!;
    if (entry > 0) this.#update(entry - 1, value);
    else this.#insert(place, hash, end - start, value);
  }

  /** As `add` with the string whose UTF-8 lies in `bytes` from `start` to `end`, which isn't made. */
  addText(bytes: Uint8Array, start: number, end: number, value: unknown): void {
    let hash = hashStep(HASH_START, STRING_TAG);
    for (let i = start; i < end; i++) hash = hashStep(hash, bytes[i]!);
    this.#addHashed(bytes, start, end, hash, value);
  }

  /**
   * Each word of `bytes` from `from` on, until the pairs take more than `limitBytes`: words are found and hashed in one loop.
   * @returns the end of the last word that was added
   */
  addWords(bytes: Uint8Array, from: number, value: unknown, limitBytes: number): number {
    const { length } = bytes;
    const none = hashStep(HASH_START, STRING_TAG);
    let hash = none;
    let start = from;
    for (let at = from; at <= length; at++) {
      const byte = at < length ? bytes[at]! : BLANK;
      if (byte > BLANK) {
        hash = hashStep(hash, byte);
        continue;
      }
      if (at > start) {
        this.#addHashed(bytes, start, at, hash, value);
        if (this.sizeBytes > limitBytes) return at;
      }
      start = at + 1;
      hash = none;
    }
    return length;
  }

  #addHashed(bytes: Uint8Array, start: number, end: number, hash: number, value: unknown): void {
    const place = this.#find(STRING_TAG, bytes, start, end, hash);
    const entry = this.#slots[place + 1]!;
    if (entry > 0) {
      this.#update(entry - 1, value);
      return;
    }
    // Keys are valid UTF-8, as strings are. What isn't is the same key as the string that it is read as.
    const text = bytes.subarray(start, end);
    if (isUtf8(text)) {
      this.#keys.putText(text);
      this.#insert(place, hash, 1 + text.length, value);
    } else this.add(Buffer.from(text).toString("utf8"), value);
  }

  /** False if it isn't ASCII; then nothing is added. */
  #addAscii(text: string, value: unknown): boolean {
    const size = text.length;
    const keys = this.#keys;
    keys.reserve(1 + size);
    const { bytes } = keys;
    const start = keys.length + 1;
    bytes[start - 1] = STRING_TAG;
    let hash = hashStep(HASH_START, STRING_TAG);
    let all = 0;
    for (let i = 0; i < size; i++) {
      const unit = text.charCodeAt(i);
      all |= unit;
      bytes[start + i] = unit;
      hash = hashStep(hash, unit);
    }
    if (all >= 0x80) return false;
    const place = this.#find(STRING_TAG, bytes, start, start + size, hash);
    const entry = this.#slots[place + 1]!;
    if (entry > 0) this.#update(entry - 1, value);
    else this.#insert(place, hash, 1 + size, value);
    return true;
  }

  /** The slot of a key, whose bytes behind the tag lie in `source`; or the free one where it would be. */
  #find(tag: number, source: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    const keys = this.#keys.bytes;
    const starts = this.#starts;
    const length = 1 + end - start;
    for (let slot = slotOf(hash, mask); ; slot = (slot + 1) & mask) {
      const place = SLOT_NUMBERS * slot;
      const entry = slots[place + 1]!;
      if (entry === 0) return place;
      if (slots[place] !== hash) continue;
      let j = starts[entry - 1]!;
      if (starts[entry]! - j !== length || keys[j++] !== tag) continue;
      let i = start;
      while (i < end && source[i] === keys[j]) {
        i++;
        j++;
      }
      if (i === end) return place;
    }
  }

  /** What lies behind the keys that are kept becomes one of them. */
  #insert(place: number, hash: number, length: number, value: unknown): void {
    const entry = this.#values.push(value);
    this.#slots[place] = hash;
    this.#slots[place + 1] = entry;
    this.#keys.length += length;
    this.#starts[entry] = this.#keys.length;
    this.sizeBytes += length + ENTRY_BYTES + this.#sizes.of(value);
    if (entry === this.#starts.length - 1) this.#grow();
  }

  #update(index: number, value: unknown): void {
    const values = this.#values;
    const before = values[index];
    if (typeof before === "number") values[index] = this.#combine(before, value);
    else {
      const sizeBefore = growthOf(before);
      const combined = this.#combine(before, value);
      values[index] = combined;
      this.sizeBytes += growthOf(combined) - sizeBefore;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const mask = 2 * this.#mask + 1;
    const slots = new Int32Array(SLOT_NUMBERS * (mask + 1));
    for (let from = 0; from < old.length; from += SLOT_NUMBERS) {
      if (old[from + 1] === 0) continue;
      let slot = slotOf(old[from]!, mask);
      while (slots[SLOT_NUMBERS * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[SLOT_NUMBERS * slot] = old[from]!;
      slots[SLOT_NUMBERS * slot + 1] = old[from + 1]!;
    }
    const starts = new Uint32Array(entriesOf(mask + 1) + 1);
    starts.set(this.#starts);
    this.#slots = slots;
    this.#starts = starts;
    this.#mask = mask;
  }

  /** All pairs, with the hashes of their keys; the table is empty again. */
  take(): Collected {
    const count = this.#values.length;
    const hashes = new Int32Array(count);
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += SLOT_NUMBERS) {
      const entry = slots[at + 1]!;
      if (entry > 0) hashes[entry - 1] = slots[at]!;
    }
    const starts = this.#starts.subarray(0, count);
    const ends = this.#starts.subarray(1, count + 1);
    const collected = { bytes: this.#keys.bytes, starts, ends, values: this.#values, hashes };
    this.#reset();
    return collected;
  }

  #reset(): void {
    this.#slots = new Int32Array(SLOT_NUMBERS * FIRST_SLOTS);
    this.#starts = new Uint32Array(entriesOf(FIRST_SLOTS) + 1);
    this.#mask = FIRST_SLOTS - 1;
    this.#keys = new KeyWriter(FIRST_KEY_BYTES);
    this.#values = [];
    this.sizeBytes = 0;
  }
}

/** What FNV takes in last reaches its low bits only: the high ones are mixed in. */
const slotOf = (hash: number, mask: number): number => (hash ^ (hash >>> 15)) & mask;

/** So many entries fill so many slots: three quarters. */
const entriesOf = (slots: number): number => 0.75 * slots;
