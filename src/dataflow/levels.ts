/** Which task of two levels merges what; the same for pairs and for records. */
import { type BlockIndex, rangeOf } from "./partitioner.ts";
import type { ShufflePlan } from "./plan.ts";

/** What one merging task takes: some partitions of some runs. */
export interface Cell {
  readonly firstRun: number;
  readonly pastRun: number;
  readonly partition: number;
  readonly partitions: number;
}

/** The cells of a plan with two levels, row by row: a row has some runs, a column some partitions. */
export function cellsOf(plan: ShufflePlan, runs: number, partitions: number): Cell[] {
  const { mappersPerMerge, partitionsPerMerge } = plan;
  const cells: Cell[] = [];
  for (let firstRun = 0; firstRun < runs; firstRun += mappersPerMerge) {
    const pastRun = Math.min(firstRun + mappersPerMerge, runs);
    for (let partition = 0; partition < partitions; partition += partitionsPerMerge) {
      const width = Math.min(partitionsPerMerge, partitions - partition);
      cells.push({ firstRun, pastRun, partition, partitions: width });
    }
  }
  return cells;
}

/** Numbers of the merged runs that have this partition: those of its column. */
export function runsOfPartition(
  plan: ShufflePlan,
  runs: number,
  partitions: number,
  partition: number,
): number[] {
  const columns = Math.ceil(partitions / plan.partitionsPerMerge);
  const column = Math.floor(partition / plan.partitionsPerMerge);
  return Array.from({ length: Math.ceil((runs - column) / columns) }, (_, row) => column + row * columns);
}

/** Reads of the keys from `low` on and below `high`, of some runs: three numbers each (`MergeInput`). */
export function rangeReads(
  runs: readonly BlockIndex[],
  chosen: Iterable<number>,
  low: Uint8Array | undefined,
  high: Uint8Array | undefined,
): Float64Array {
  const reads: number[] = [];
  for (const run of chosen) {
    const { offset, length } = rangeOf(runs[run]!, low, high);
    if (length > 0) reads.push(run, offset, length);
  }
  return Float64Array.from(reads);
}

export function* numbersFrom(first: number, past: number): Generator<number, void, undefined> {
  for (let n = first; n < past; n++) yield n;
}
