/**
 * The peer: counts the words of a file on one thread, with no library and no string for a word before it is printed.
 * Words are runs of bytes other than blanks and line breaks; a table with open addressing has the place of each word's first
 * occurrence, by its hash.
 */
import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;

export class WordTable {
  #size = 1 << 16;
  #hashes = new Int32Array(this.#size);
  #starts = new Int32Array(this.#size);
  #ends = new Int32Array(this.#size);
  #counts = new Float64Array(this.#size);
  #words = Buffer.allocUnsafeSlow(1 << 20);
  #wordBytes = 0;
  #used = 0;

  /** Counts the words of whole lines. */
  add(bytes: Uint8Array): void {
    const { length } = bytes;
    let hash = 0;
    let start = 0;
    for (let at = 0; at <= length; at++) {
      const byte = at < length ? bytes[at]! : 10;
      if (byte > 32) {
        hash = Math.imul(hash ^ byte, 0x01000193);
        continue;
      }
      if (at > start) this.#count(bytes, start, at, hash);
      start = at + 1;
      hash = 0;
    }
  }

  /** Counts the words of a stream, whose chunks end anywhere. */
  async addAll(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let rest: Uint8Array = new Uint8Array();
    for await (const chunk of chunks) {
      const whole = chunk.lastIndexOf(10) + 1;
      if (whole === 0) {
        rest = Buffer.concat([rest, chunk]);
        continue;
      }
      // The line that two chunks share is short: only it is copied.
      const first = rest.length === 0 ? 0 : chunk.indexOf(10) + 1;
      if (first > 0) this.add(Buffer.concat([rest, chunk.subarray(0, first)]));
      this.add(chunk.subarray(first, whole));
      rest = chunk.slice(whole);
    }
    this.add(rest);
  }

  #count(bytes: Uint8Array, start: number, end: number, hash: number): void {
    const mask = this.#size - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      if (this.#counts[slot] === 0) {
        this.#insert(slot, bytes, start, end, hash);
        return;
      }
      if (this.#hashes[slot] === hash && this.#isWord(slot, bytes, start, end)) {
        this.#counts[slot]!++;
        return;
      }
    }
  }

  #isWord(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[slot]!;
    if (this.#ends[slot]! - from !== end - start) return false;
    const words = this.#words;
    for (let i = start, j = from; i < end; i++, j++) if (bytes[i] !== words[j]) return false;
    return true;
  }

  #insert(slot: number, bytes: Uint8Array, start: number, end: number, hash: number): void {
    while (this.#wordBytes + end - start > this.#words.length) {
      this.#words = Buffer.concat([this.#words], 2 * this.#words.length);
    }
    this.#words.set(bytes.subarray(start, end), this.#wordBytes);
    this.#hashes[slot] = hash;
    this.#starts[slot] = this.#wordBytes;
    this.#wordBytes += end - start;
    this.#ends[slot] = this.#wordBytes;
    this.#counts[slot] = 1;
    if (++this.#used > this.#size / 2) this.#grow();
  }

  #grow(): void {
    const [hashes, starts, ends, counts] = [this.#hashes, this.#starts, this.#ends, this.#counts];
    this.#size *= 2;
    this.#hashes = new Int32Array(this.#size);
    this.#starts = new Int32Array(this.#size);
    this.#ends = new Int32Array(this.#size);
    this.#counts = new Float64Array(this.#size);
    const mask = this.#size - 1;
    for (let old = 0; old < counts.length; old++) {
      if (counts[old] === 0) continue;
      const hash = hashes[old]!;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#counts[slot] !== 0) slot = (slot + 1) & mask;
      this.#hashes[slot] = hash;
      this.#starts[slot] = starts[old]!;
      this.#ends[slot] = ends[old]!;
      this.#counts[slot] = counts[old]!;
    }
  }

  *entries(): Generator<[word: string, count: number], void, undefined> {
    for (let slot = 0; slot < this.#size; slot++) {
      if (this.#counts[slot] === 0) continue;
      yield [this.#words.toString("utf8", this.#starts[slot], this.#ends[slot]), this.#counts[slot]!];
    }
  }
}

/** The words of a file, each with its count. */
export function countFile(file: string): WordTable {
  const table = new WordTable();
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const fd = openSync(file, "r");
  try {
    for (let kept = 0; ; ) {
      const got = readSync(fd, chunk, kept, CHUNK_BYTES - kept, null);
      const end = kept + got;
      // Of a line that isn't whole yet, what is there waits for the rest.
      const whole = got === 0 ? end : chunk.lastIndexOf(10, end - 1) + 1;
      table.add(chunk.subarray(0, whole));
      if (got === 0) return table;
      chunk.copyWithin(0, whole, end);
      kept = end - whole;
    }
  } finally {
    closeSync(fd);
  }
}
