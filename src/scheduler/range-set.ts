/** Half-open ranges `[first, end)` of task indexes, as pairs in a flat array: `[0, 10, 20, 25]`. */
export type RangePairs = readonly number[];

/**
 * A set of task indexes, kept as sorted, disjoint, non-touching ranges: a job of a million tasks whose batches are
 * decided more or less in order costs a few entries, however long it runs.
 */
export class RangeSet {
  readonly #firsts: number[] = [];
  readonly #ends: number[] = [];
  #size = 0;

  /** Number of indexes in the set. */
  get size(): number {
    return this.#size;
  }

  /** Adds `[first, end)`; returns the parts of it that were not in the set before. */
  add(first: number, end: number): RangePairs {
    if (first >= end) return [];
    const firsts = this.#firsts;
    const ends = this.#ends;
    const last = ends.length - 1;
    if (last < 0 || first > ends[last]!) {
      firsts.push(first);
      ends.push(end);
      this.#size += end - first;
      return [first, end];
    }
    if (first === ends[last]) {
      ends[last] = end;
      this.#size += end - first;
      return [first, end];
    }
    return this.#merge(first, end);
  }

  #merge(first: number, end: number): RangePairs {
    const added = this.gaps(first, end);
    if (added.length === 0) return added;
    const firsts = this.#firsts;
    const ends = this.#ends;
    // Every range that overlaps or touches [first, end) becomes one with it.
    const from = this.#firstEndingAtOrAfter(first);
    let to = from;
    let mergedFirst = first;
    let mergedEnd = end;
    while (to < firsts.length && firsts[to]! <= end) {
      mergedFirst = Math.min(mergedFirst, firsts[to]!);
      mergedEnd = Math.max(mergedEnd, ends[to]!);
      to += 1;
    }
    if (to === from + 1) {
      firsts[from] = mergedFirst;
      ends[from] = mergedEnd;
    } else {
      firsts.splice(from, to - from, mergedFirst);
      ends.splice(from, to - from, mergedEnd);
    }
    for (let i = 0; i < added.length; i += 2) this.#size += added[i + 1]! - added[i]!;
    return added;
  }

  has(index: number): boolean {
    const i = this.#firstEndingAtOrAfter(index + 1);
    return i < this.#firsts.length && this.#firsts[i]! <= index;
  }

  /** Whether every index of `[first, end)` is in the set; true for an empty range. */
  covers(first: number, end: number): boolean {
    return first >= end || this.nextGap(first) >= end;
  }

  /** The parts of `[first, end)` that are not in the set. */
  gaps(first: number, end: number): number[] {
    const gaps: number[] = [];
    let at = first;
    for (let i = this.#firstEndingAtOrAfter(first + 1); at < end; i++) {
      const nextFirst = i < this.#firsts.length ? this.#firsts[i]! : Number.POSITIVE_INFINITY;
      if (nextFirst > at) gaps.push(at, Math.min(end, nextFirst));
      if (nextFirst >= end) break;
      at = this.#ends[i]!;
    }
    return gaps;
  }

  /** How many indexes of `[first, end)` are in the set. */
  countIn(first: number, end: number): number {
    let count = 0;
    for (
      let i = this.#firstEndingAtOrAfter(first + 1);
      i < this.#firsts.length && this.#firsts[i]! < end;
      i++
    ) {
      count += Math.min(end, this.#ends[i]!) - Math.max(first, this.#firsts[i]!);
    }
    return count;
  }

  /** The smallest index from `from` on that is not in the set. */
  nextGap(from: number): number {
    const i = this.#firstEndingAtOrAfter(from + 1);
    return i < this.#firsts.length && this.#firsts[i]! <= from ? this.#ends[i]! : from;
  }

  /** The smallest index from `from` on that is in the set, or Infinity. */
  nextMember(from: number): number {
    const i = this.#firstEndingAtOrAfter(from + 1);
    return i < this.#firsts.length ? Math.max(from, this.#firsts[i]!) : Number.POSITIVE_INFINITY;
  }

  /** The ranges, in order. */
  pairs(): RangePairs {
    return this.#firsts.flatMap((first, i) => [first, this.#ends[i]!]);
  }

  /** Position of the first range whose end is at or after `end`. */
  #firstEndingAtOrAfter(end: number): number {
    const ends = this.#ends;
    let low = 0;
    let high = ends.length;
    if (high > 0 && ends[high - 1]! < end) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! < end) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
