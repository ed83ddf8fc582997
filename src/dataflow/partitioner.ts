import { UsageError } from "../errors.ts";
import { show } from "../options.ts";
import { decodeKey } from "./keys.ts";
import type { PartitionOf } from "./merge.ts";

/** FNV-1a: Fowler, Noll and Vo, "The FNV Non-Cryptographic Hash Algorithm". */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

/** The partition of a key by its hash, whose bits are mixed; the same on every machine. */
export function hashPartitioner(partitions: number): PartitionOf {
  return (bytes, start, end) => {
    const hash = hashOf(bytes, start, end);
    const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return ((mixed ^ (mixed >>> 13)) >>> 0) % partitions;
  };
}

/** The partition of a key as a function of the user's says. @throws UsageError BAD_ARGUMENT where it names none */
export function placed(place: (key: unknown) => number, partitions: number): PartitionOf {
  return (bytes, start, end) => {
    const key = decodeKey(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), start, end);
    const partition = place(key);
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition;
    throw new UsageError("BAD_ARGUMENT", `partition ${show(partition)} was said to have ${show(key)}`, {
      remedy: `Give a whole number from 0 to ${partitions - 1}, or more partitions.`,
    });
  };
}

/** Where a mapper's sorted run can be cut: the first key of each block, where it begins, and where the run ends. */
export interface BlockIndex {
  readonly blockKeys: readonly Uint8Array[];
  readonly blockOffsets: Float64Array;
  readonly sizeBytes: number;
}

/**
 * Keys that cut runs into partitions of about the same size, at most `partitions - 1`, in order: partition p has the keys
 * from `cuts[p - 1]` on and below `cuts[p]`. They come from regular samples of the sorted runs, so that no partition is greater
 * than its share by more than a block of each run, but for keys that have more pairs by themselves.
 * Shi and Schaeffer, "Parallel Sorting by Regular Sampling", J. Parallel and Distributed Computing 14 (1992).
 */
export function cutKeys(runs: readonly BlockIndex[], partitions: number): Uint8Array[] {
  const samples = runs.flatMap((run) => run.blockKeys.map((key, i) => ({ key, bytes: blockBytes(run, i) })));
  samples.sort((a, b) => Buffer.compare(a.key, b.key));
  const total = samples.reduce((sum, { bytes }) => sum + bytes, 0);
  const cuts: Uint8Array[] = [];
  let before = 0;
  for (const { key, bytes } of samples) {
    const isNew = cuts.length === 0 || Buffer.compare(cuts.at(-1)!, key) < 0;
    if (before > 0 && isNew && before >= (total * (cuts.length + 1)) / partitions) cuts.push(key);
    if (cuts.length === partitions - 1) break;
    before += bytes;
  }
  return cuts;
}

/** The part of a run that holds all its keys from `low` on and below `high`; its first and last block may hold others. */
export function rangeOf(
  run: BlockIndex,
  low: Uint8Array | undefined,
  high: Uint8Array | undefined,
): { offset: number; length: number } {
  const { blockKeys, blockOffsets } = run;
  // A block may end with the very key with which the next one begins.
  const first = low === undefined ? 0 : Math.max(0, firstAtLeast(blockKeys, low) - 1);
  const past = high === undefined ? blockKeys.length : firstAtLeast(blockKeys, high);
  if (past <= first) return { offset: 0, length: 0 };
  const offset = blockOffsets[first]!;
  return { offset, length: (past < blockKeys.length ? blockOffsets[past]! : run.sizeBytes) - offset };
}

const blockBytes = ({ blockOffsets, sizeBytes }: BlockIndex, i: number): number =>
  (i + 1 < blockOffsets.length ? blockOffsets[i + 1]! : sizeBytes) - blockOffsets[i]!;

/** Number of the first key that isn't below `key`. */
function firstAtLeast(keys: readonly Uint8Array[], key: Uint8Array): number {
  let [from, to] = [0, keys.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (Buffer.compare(keys[middle]!, key) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
