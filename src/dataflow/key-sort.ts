/**
 * Sorts keys that lie in one buffer, by their bytes. The leading bytes of a key and its position fit the 53 bits of a double, so
 * that the engine's own sort of doubles does the work; runs of equal leading bytes are sorted by the bytes behind them.
 * Multikey sorting by words: Bentley and Sedgewick, "Fast Algorithms for Sorting and Searching Strings", SODA 1997.
 */
export interface KeySpans {
  readonly bytes: Uint8Array;
  /** Where key i begins and ends. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

const DOUBLE_BITS = 53;
const PREFIX_BYTES = 6;
const PREFIX_BITS = 8 * PREFIX_BYTES;
const FEW = 12;

/** Sorts `order[from … to)`, which holds numbers of keys; equal keys keep their order. */
export function sortKeys(keys: KeySpans, order: Uint32Array, from = 0, to = order.length, depth = 0): void {
  const count = to - from;
  const positionBits = Math.ceil(Math.log2(count));
  const knownBytes = Math.floor(Math.min(PREFIX_BITS, DOUBLE_BITS - positionBits) / 8);
  // A loop while all leading bytes are the same: long keys must not become a deep recursion.
  for (let at = depth; ; at += knownBytes) {
    if (count <= FEW) {
      insertionSort(keys, order, from, to, at);
      return;
    }
    const packed = packPrefixes(keys, order, from, to, at);
    // Bytes past the end count as zeros, so that what is left may be of different length.
    if (packed === undefined) {
      sortByLength(keys, order, from, to);
      return;
    }
    if (sortPrefixes(keys, order, from, packed, at + knownBytes)) return;
  }
}

const scaleOf = (count: number): number => 2 ** Math.ceil(Math.log2(count));

/** The leading bytes from `depth` on and the position of each key, as one number; undefined if no key is as long. */
function packPrefixes(
  { bytes, starts, ends }: KeySpans,
  order: Uint32Array,
  from: number,
  to: number,
  depth: number,
): Float64Array | undefined {
  const count = to - from;
  const scale = scaleOf(count);
  const knownBytes = Math.floor(Math.min(PREFIX_BITS, DOUBLE_BITS - Math.log2(scale)) / 8);
  const drop = 2 ** (PREFIX_BITS - 8 * knownBytes);
  const packed = new Float64Array(count);
  let anyLeft = false;
  for (let i = 0; i < count; i++) {
    const key = order[from + i]!;
    const at = starts[key]! + depth;
    const end = ends[key]!;
    if (end > at) anyLeft = true;
    packed[i] = Math.floor(prefixOf(bytes, at, end) / drop) * scale + i;
  }
  return anyLeft ? packed : undefined;
}

/** Puts the keys into the order of their prefixes, and those of the same prefix into order; false if all have the same. */
function sortPrefixes(
  keys: KeySpans,
  order: Uint32Array,
  from: number,
  packed: Float64Array,
  depth: number,
): boolean {
  const count = packed.length;
  const scale = scaleOf(count);
  packed.sort();
  const prefixAt = (i: number) => Math.floor(packed[i]! / scale);
  if (prefixAt(0) === prefixAt(count - 1)) return false;
  const before = order.slice(from, from + count);
  let runStart = 0;
  let runPrefix = prefixAt(0);
  for (let i = 0; i < count; i++) {
    const prefix = prefixAt(i);
    order[from + i] = before[packed[i]! - prefix * scale]!;
    if (prefix === runPrefix) continue;
    if (i - runStart > 1) sortKeys(keys, order, from + runStart, from + i, depth);
    runStart = i;
    runPrefix = prefix;
  }
  if (count - runStart > 1) sortKeys(keys, order, from + runStart, from + count, depth);
  return true;
}

/** The six bytes from `at` on as one number; bytes from `end` on count as zeros. */
export function prefixOf(bytes: Uint8Array, at: number, end: number): number {
  if (at + PREFIX_BYTES <= end) {
    const high = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const low = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
    return high * 0x1000000 + low;
  }
  let prefix = 0;
  for (let i = at; i < at + PREFIX_BYTES; i++) prefix = prefix * 256 + (i < end ? bytes[i]! : 0);
  return prefix;
}

/** Below, at or above zero, as the keys are in order. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shorter = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < shorter; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

function insertionSort(keys: KeySpans, order: Uint32Array, from: number, to: number, depth: number): void {
  const { bytes, starts, ends } = keys;
  for (let i = from + 1; i < to; i++) {
    const key = order[i]!;
    const start = starts[key]! + depth;
    const end = ends[key]!;
    let at = i;
    for (; at > from; at--) {
      const other = order[at - 1]!;
      if (compareBytes(bytes, starts[other]! + depth, ends[other]!, bytes, start, end) <= 0) break;
      order[at] = other;
    }
    order[at] = key;
  }
}

/** For keys that differ by zeros at their ends at most. */
function sortByLength({ starts, ends }: KeySpans, order: Uint32Array, from: number, to: number): void {
  const lengthOf = (key: number) => ends[key]! - starts[key]!;
  order.set(
    [...order.slice(from, to)].sort((a, b) => lengthOf(a) - lengthOf(b)),
    from,
  );
}
