import { MAX_RUNS, planOf, READ_BYTES, readsOf, type ShufflePlan, shufflePlan } from "./plan.ts";

/** What is to be sorted. */
export interface SortSize {
  readonly bytes: number;
  /** Memory of a task in MiB; default 256. */
  readonly memoryMb?: number;
  /** Objects of the output; default: as many as runs, 2 at least. */
  readonly partitions?: number;
  /** 1: tasks merge ranges of all runs; 2: with a level of merges between. By default as `shufflePlan` says. */
  readonly levels?: 1 | 2;
}

/** The tasks of one kind, and what they ask of the store, all together. */
export interface SortStage {
  readonly name: "sort" | "merge" | "output";
  readonly tasks: number;
  readonly gets: number;
  /** Objects; each one put, or one upload in parts. */
  readonly puts: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** How a sort of records or lines goes. */
export interface SortPlan {
  readonly sliceBytes: number;
  /** Sorted runs, one of each slice. */
  readonly runs: number;
  readonly partitions: number;
  readonly levels: 1 | 2;
  /** With two levels: how many runs, and how many partitions of them, a merging task between takes. */
  readonly runsPerMerge: number;
  readonly partitionsPerMerge: number;
  readonly stages: readonly SortStage[];
  /** Runs that a task merges at once, at most. */
  readonly fanIn: number;
  /** Blocks of all runs, at most: their first keys are what the driver holds, to cut partitions by. */
  readonly blocks: number;
}

/** A slice lies in memory, twice for a moment, beside the worker itself and what is being written. */
const SLICES_IN_MEMORY = 8;
const DEFAULT_MEMORY_MB = 256;
const MIN_READ_BYTES = 64 * 1024;
/** Records of a run are packed and checked in blocks of so many bytes. */
export const RECORD_BLOCK_BYTES = 64 * 1024;

export const memoryBytesOf = (memoryMb = DEFAULT_MEMORY_MB): number => memoryMb * 1024 * 1024;

/** How much a task sorts in memory. */
export const sliceBytesOf = (memoryBytes: number): number => Math.floor(memoryBytes / SLICES_IN_MEMORY);

/** The longest range of one get, where so many runs are merged at once: two of each are in memory. */
export const mergeReadBytes = (memoryBytes: number, runs: number): number =>
  Math.max(MIN_READ_BYTES, Math.min(READ_BYTES, Math.floor(memoryBytes / 4 / Math.max(1, runs))));

/** Partitions of so many runs, unless they were asked for. */
export const partitionsOf = (runs: number, partitions?: number): number => partitions ?? Math.max(2, runs);

/** The levels of the merges of a sort. */
export function mergePlan(
  size: { readonly runs: number; readonly partitions: number; readonly bytes: number },
  memoryBytes: number,
  levels?: 1 | 2,
): ShufflePlan {
  const shuffle = { mappers: size.runs, reducers: size.partitions, bytes: size.bytes };
  const chosen = levels ?? shufflePlan(shuffle).levels;
  return planOf(shuffle, chosen, (runs) => mergeReadBytes(memoryBytes, runs));
}

/**
 * The plan of a sort, as `sort` itself makes it: N = ⌈bytes / slice⌉ runs and R partitions. In one level N + R puts and N × R
 * range reads; in two, of groups of ⌈√N⌉ runs and ⌈√R⌉ partitions, about N + √N√R + R puts and 2 N √R reads.
 *
 * @example sortPlan({ bytes: 1e12, memoryMb: 3052, partitions: 2500 }); // { levels: 2, runs: 2500, … }
 */
export function sortPlan({ bytes, memoryMb, partitions, levels }: SortSize): SortPlan {
  const memoryBytes = memoryBytesOf(memoryMb);
  const sliceBytes = sliceBytesOf(memoryBytes);
  const runs = Math.max(1, Math.ceil(bytes / sliceBytes));
  const parts = partitionsOf(runs, partitions);
  const plan = mergePlan({ runs, partitions: parts, bytes }, memoryBytes, levels);
  const all = { readBytes: bytes, writtenBytes: bytes };
  const rows = plan.levels === 1 ? runs : Math.ceil(runs / plan.mappersPerMerge);
  const lastGets = readsOf(rows * parts, bytes, mergeReadBytes(memoryBytes, rows));
  const stages: SortStage[] = [{ name: "sort", tasks: runs, gets: runs, puts: runs, ...all }];
  if (plan.levels === 2) {
    const { merges } = plan;
    stages.push({ name: "merge", tasks: merges, gets: plan.gets - lastGets, puts: merges, ...all });
  }
  stages.push({ name: "output", tasks: parts, gets: lastGets, puts: parts, ...all });
  return {
    ...{ sliceBytes, runs, partitions: parts, levels: plan.levels, stages },
    runsPerMerge: plan.mappersPerMerge,
    partitionsPerMerge: plan.partitionsPerMerge,
    fanIn: Math.max(plan.mappersPerMerge, rows),
    blocks: plan.levels * Math.ceil(bytes / RECORD_BLOCK_BYTES) + runs,
  };
}

/** Partitions that a sort has at most. */
export const MAX_PARTITIONS = 100_000;

/** Whether a sort can go as planned: no task merges more runs at once than its memory is good for. */
export const isFeasible = ({ fanIn, partitions }: SortPlan): boolean =>
  fanIn <= MAX_RUNS && partitions <= MAX_PARTITIONS;
