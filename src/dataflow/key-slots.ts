/** The first eight bytes of a key as two numbers, its kind, and its entry from 1 (0: free): two lines of cache at the most. */
const SLOT_NUMBERS = 4;
const FIRST_SLOTS = 1 << 13;
const HEAD_BYTES = 8;

/**
 * Numbers of keys, from 0, by their bytes: a hash table with open addressing. Most keys are told apart by their first eight bytes and their
 * length, which lie in the slot itself.
 */
export class KeySlots {
  #slots = new Int32Array(SLOT_NUMBERS * FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  #count = 0;
  /** Key i lies from `starts[i]` to `starts[i + 1]` of all keys' bytes. */
  starts = new Uint32Array(entriesOf(FIRST_SLOTS) + 1);
  /** Hashes of the keys, for a greater table. */
  #hashes = new Int32Array(entriesOf(FIRST_SLOTS));

  /**
   * The number of a key; -1 if it isn't there.
   * @param keys all keys' bytes
   * @param source what the key lies in, from `start` to `end`
   */
  find(
    first: number,
    second: number,
    kind: number,
    hash: number,
    keys: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
  ): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = slotOf(hash, mask); ; slot = (slot + 1) & mask) {
      const at = SLOT_NUMBERS * slot;
      const entry = slots[at + 3]!;
      if (entry === 0) return -1;
      if (slots[at] !== first || slots[at + 1] !== second || slots[at + 2] !== kind) continue;
      if (end - start <= HEAD_BYTES || this.#hasRest(entry, keys, source, start, end)) return entry - 1;
    }
  }

  /** The same length, and the same head: compares what is behind it, from the last byte on. */
  #hasRest(entry: number, keys: Uint8Array, source: Uint8Array, start: number, end: number): boolean {
    const rest = start + HEAD_BYTES;
    for (let i = end - 1, j = this.starts[entry]! - 1; i >= rest; i--, j--) {
      if (source[i] !== keys[j]) return false;
    }
    return true;
  }

  /** Adds a key that isn't there, which ends at `end` of all keys' bytes. @returns its number */
  insert(first: number, second: number, kind: number, hash: number, end: number): number {
    if (this.#count === this.#hashes.length) this.#grow();
    const slots = this.#slots;
    const entry = this.#count++;
    const at = SLOT_NUMBERS * this.#freeSlot(slots, this.#mask, hash);
    slots[at] = first;
    slots[at + 1] = second;
    slots[at + 2] = kind;
    slots[at + 3] = entry + 1;
    this.#hashes[entry] = hash;
    this.starts[entry + 1] = end;
    return entry;
  }

  #freeSlot(slots: Int32Array, mask: number, hash: number): number {
    let slot = slotOf(hash, mask);
    while (slots[SLOT_NUMBERS * slot + 3] !== 0) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#slots;
    const mask = 2 * this.#mask + 1;
    const slots = new Int32Array(SLOT_NUMBERS * (mask + 1));
    for (let from = 0; from < old.length; from += SLOT_NUMBERS) {
      const entry = old[from + 3]!;
      if (entry === 0) continue;
      const to = SLOT_NUMBERS * this.#freeSlot(slots, mask, this.#hashes[entry - 1]!);
      for (let i = 0; i < SLOT_NUMBERS; i++) slots[to + i] = old[from + i]!;
    }
    const starts = new Uint32Array(entriesOf(mask + 1) + 1);
    starts.set(this.starts);
    const hashes = new Int32Array(entriesOf(mask + 1));
    hashes.set(this.#hashes);
    this.#slots = slots;
    this.#mask = mask;
    this.starts = starts;
    this.#hashes = hashes;
  }
}

/** So many entries fill so many slots: three quarters. */
const entriesOf = (slots: number): number => 0.75 * slots;

const slotOf = (hash: number, mask: number): number => (hash ^ (hash >>> 15)) & mask;

/** The hash of a key's first eight bytes; `hashWith` takes in each further one. */
export const headHash = (first: number, second: number): number =>
  Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b);

export const hashWith = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193);

/** A mask of the lowest 0 to 3 bytes. */
export const lowBytes = (count: number): number => (1 << (8 * count)) - 1;
