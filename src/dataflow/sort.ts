import type { Context, Pool, Resolved, StoredObject } from "../index.ts";
import type { Rule } from "../options.ts";
import type { Dataset } from "./dataset.ts";
import {
  type DatasetOutput,
  type Inputs,
  mapReduce,
  type ObjectsOutput,
  type StageOptions,
} from "./map-reduce.ts";
import { aFunction, checkStage, SHUFFLE_RULES } from "./options.ts";
import type { ShuffleReport } from "./shuffle.ts";
import { sortRecords } from "./sort-records.ts";

/** Options of every sort. */
export interface SortOptions extends StageOptions {
  /** Number of partitions, 1…100,000: the output's objects. Default: as many as sorted runs, 2 at least (of records); 8 (by key). */
  partitions?: number;
  /** How intermediate data is compressed; default "none" for records and lines, "zstd" by key. */
  compression?: "zstd" | "deflate" | "none";
  /** 1: merged from all runs at once; 2: with merging tasks between. By default as `shufflePlan` says. */
  levels?: 1 | 2;
  /** Stores for intermediate data in place of the pool's; as of `mapReduce`. */
  via?: string | readonly string[];
  /** Called once, at the end; `pairs` are the records. */
  onReport?: (report: ShuffleReport) => void;
}

/** A sort of values by a key. */
export interface SortByKey<T> extends SortOptions {
  /** What values are sorted by; see "Keys" in docs/dataflow.md. */
  key: (item: T) => unknown;
  /** As of `mapReduce`; by default an array. */
  output?: DatasetOutput | ObjectsOutput<T>;
}

/** A sort of the bytes of files: lines, or records of one size. */
export interface SortRecords extends SortOptions {
  /** Lines, by their bytes, as `LC_ALL=C sort`. */
  lines?: true;
  /** The size of each record in bytes, 1…65,536. */
  recordBytes?: number;
  /** How many bytes of each record it is sorted by; default all. */
  keyBytes?: number;
  /** Where these begin in it; default 0. */
  keyOffset?: number;
  /** Memory of a task in MiB, 64…65,536, default 256; `memoryMb` of the workers is set to it where it is given. */
  memoryMb?: number;
  /** Where the sorted objects go: `<objects>/part-00000` and so on, in total order. */
  output: { objects: string };
}

/**
 * Sorts more than memory holds, in two stages: sorted runs, of which regular samples cut ranges of keys, and merges of these.
 * Equal keys keep the order of the input.
 *
 * - `sort(pool, items, { key })`: values, as an array, objects or a dataset.
 * - `sort(pool, "logs/*.log", { lines: true, output })`, `sort(pool, file, { recordBytes: 100, keyBytes: 10, output })`: the
 *   bytes of files, or of S3 objects, none of which is decoded.
 *
 * @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT; what `key` throws; StoreError
 * @example const parts = await sort(pool, "big.dat", { recordBytes: 100, keyBytes: 10, output: { objects: "sorted" } });
 */
export function sort(
  pool: Pool,
  input: string | readonly string[],
  options: SortRecords,
): Promise<StoredObject[]>;
export function sort<T>(
  pool: Pool,
  input: Inputs<T>,
  options: SortByKey<Resolved<T>> & { output: DatasetOutput },
): Promise<Dataset<Resolved<T>>>;
export function sort<T>(
  pool: Pool,
  input: Inputs<T>,
  options: SortByKey<Resolved<T>> & { output: ObjectsOutput<Resolved<T>> },
): Promise<StoredObject[]>;
export function sort<T>(
  pool: Pool,
  input: Inputs<T>,
  options: SortByKey<Resolved<T>> & { output?: undefined },
): Promise<Resolved<T>[]>;
export async function sort(pool: Pool, input: unknown, options: object): Promise<unknown> {
  if ("key" in options) return sortValues(pool, input as Inputs<unknown>, options as SortByKey<unknown>);
  return sortRecords(pool, input as string | readonly string[], options as SortRecords);
}

function sortValues(pool: Pool, items: Inputs<unknown>, options: SortByKey<unknown>): Promise<unknown> {
  const { key, ...rest } = options;
  checkStage(
    { ...rest, key },
    { ...SHUFFLE_RULES, onReport: aFunction, key: aFunction, output: anything },
    "sort",
  );
  return mapReduce(pool, items, {
    ...rest,
    by: "sorted",
    map: (item: unknown, _ctx: Context, emit: (key: unknown, item: unknown) => void) => emit(key(item), item),
    reduce: async function* (_key: unknown, equals: AsyncIterable<unknown>) {
      yield* equals;
    },
  } as never);
}

const anything: Rule = { check: () => true, expected: "" };
