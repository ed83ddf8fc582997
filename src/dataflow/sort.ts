import { randomBytes } from "node:crypto";
import { UsageError } from "../errors.ts";
import type { CallOptions, Context, Pool, PoolSlice, Resolved, StoredObject } from "../index.ts";
import { integer, type Rule } from "../options.ts";
import type { Dataset } from "./dataset.ts";
import {
  type DatasetOutput,
  type Inputs,
  mapReduce,
  type ObjectsOutput,
  type StageOptions,
} from "./map-reduce.ts";
import { aFunction, checkStage, isPrefix, oneOf } from "./options.ts";
import { cutKeys, rangeOf } from "./partitioner.ts";
import type { ShufflePlan } from "./plan.ts";
import { mergeRecordRuns, mergeRecords, type RecordRun, type RecordSpec, sortSlice } from "./record-tasks.ts";
import type { RecordRule } from "./records.ts";
import type { MergeInput } from "./shuffle-spec.ts";
import { memoryBytesOf, mergePlan, partitionsOf, sliceBytesOf } from "./sort-plan.ts";
import { clean, overRuns, type Stage } from "./stage.ts";

/** Options of every sort. */
export interface SortOptions extends StageOptions {
  /** Number of partitions, 1…100,000: the output's objects. Default: as many as sorted runs, 2 at least (of records); 8 (by key). */
  partitions?: number;
  /** How intermediate data is compressed; default "none" for records and lines, "zstd" by key. */
  compression?: "zstd" | "deflate" | "none";
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
  /** 1: tasks merge ranges of all runs; 2: with a level of merges between. By default as the plan of the sort says. */
  levels?: 1 | 2;
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
  checkStage({ ...rest, key }, { ...SHARED_RULES, key: aFunction, output: anything }, "sort");
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
const SHARED_RULES: Record<string, Rule> = {
  partitions: integer(1, 100_000),
  compression: oneOf("zstd", "deflate", "none"),
};
const MAX_RECORD_BYTES = 65_536;
const RECORD_RULES: Record<string, Rule> = {
  ...SHARED_RULES,
  lines: oneOf(true),
  recordBytes: integer(1, MAX_RECORD_BYTES),
  keyBytes: integer(1, MAX_RECORD_BYTES),
  keyOffset: integer(0, MAX_RECORD_BYTES - 1),
  memoryMb: integer(64, MAX_RECORD_BYTES),
  levels: oneOf(1, 2),
  output: {
    check: (v) => isPrefix((v as { objects?: unknown } | null)?.objects),
    expected: '{ objects: "sorted" }',
  },
};

async function sortRecords(
  pool: Pool,
  patterns: string | readonly string[],
  options: SortRecords,
): Promise<StoredObject[]> {
  const { stage } = checkStage(options, RECORD_RULES, "sort");
  if (options.output === undefined) {
    throw new UsageError("BAD_OPTION", "sort: option output is missing", {
      remedy: 'Say where the sorted objects go: { output: { objects: "sorted" } }.',
      details: { option: "output" },
    });
  }
  const rule = ruleOf(options);
  const memoryBytes = memoryBytesOf(options.memoryMb);
  const prefix = `dataflow/${randomBytes(8).toString("hex")}`;
  const compression = options.compression ?? "none";
  const spec: RecordSpec = { prefix, output: options.output.objects, rule, memoryBytes, compression };
  const sliceBytes = sliceBytesOf(memoryBytes);
  const cut = rule.kind === "lines" ? { sliceBytes } : { sliceBytes, recordBytes: rule.recordBytes };
  const slices = pool.slices(patterns, { ...cut, decompress: false });
  try {
    const sorted = await sortSlices(pool, spec, slices, stage);
    const merges = new RecordMerges(pool, spec, sorted, options, stage);
    return await merges.output();
  } finally {
    await clean(pool, prefix);
  }
}

async function sortSlices(
  pool: Pool,
  spec: RecordSpec,
  slices: AsyncIterable<PoolSlice>,
  stage: CallOptions,
): Promise<Stage<RecordRun>> {
  const kept: PoolSlice[] = [];
  const sortAll = (items: AsyncIterable<PoolSlice> | PoolSlice[]) =>
    pool.map((slice: PoolSlice, ctx) => sortSlice(spec, slice, ctx), items, stage);
  const runs = await sortAll(keeping(slices, kept));
  const remake = async (lost: readonly number[]) => {
    const again = await sortAll(lost.map((run) => kept[run]!));
    for (const [i, run] of lost.entries()) runs[run] = again[i]!;
  };
  return { runs, remake, remade: 0 };
}

/** The merges of sorted runs: of all runs at once, or with a level between. */
class RecordMerges {
  readonly #pool: Pool;
  readonly #spec: RecordSpec;
  readonly #sorted: Stage<RecordRun>;
  readonly #stage: CallOptions;
  readonly #cuts: readonly Uint8Array[];
  readonly #plan: ShufflePlan;

  constructor(
    pool: Pool,
    spec: RecordSpec,
    sorted: Stage<RecordRun>,
    { partitions, levels }: Pick<SortRecords, "partitions" | "levels">,
    stage: CallOptions,
  ) {
    this.#pool = pool;
    this.#spec = spec;
    this.#sorted = sorted;
    this.#stage = stage;
    const { runs } = sorted;
    this.#cuts = cutKeys(runs, partitionsOf(runs.length, partitions));
    const bytes = runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const size = { runs: runs.length, partitions: this.#cuts.length + 1, bytes };
    this.#plan = mergePlan(size, spec.memoryBytes, levels);
  }

  /** The objects of the output, in order. */
  async output(): Promise<StoredObject[]> {
    const spec = this.#spec;
    const { levels, partitionsPerMerge } = this.#plan;
    const from = levels === 2 ? await this.#between() : this.#sorted;
    const columns = this.#columns;
    const ofColumn = (partition: number) =>
      levels === 1
        ? every(0, from.runs.length)
        : every(Math.floor(partition / partitionsPerMerge), from.runs.length, columns);
    const inputOf = (partition: number) =>
      this.#inputOf(from.runs, ofColumn(partition), partition, partition + 1);
    const merged = await overRuns(from, [...new Array(this.#cuts.length + 1).keys()], (tasks) => {
      const names = this.#pool.broadcast(from.runs.map(({ name }) => name));
      const inputs = tasks.map(inputOf);
      return this.#pool.map((input, ctx) => mergeRecords(spec, input, names.value, ctx), inputs, this.#stage);
    });
    return merged.map(({ object }) => object);
  }

  /** Runs of some partitions of some runs each: row by row. */
  async #between(): Promise<Stage<RecordRun>> {
    const spec = this.#spec;
    const from = this.#sorted;
    const { mappersPerMerge, partitionsPerMerge, merges } = this.#plan;
    const inputOf = (cell: number) => {
      const first = (cell % this.#columns) * partitionsPerMerge;
      const row = Math.floor(cell / this.#columns);
      const end = Math.min((row + 1) * mappersPerMerge, from.runs.length);
      return this.#inputOf(from.runs, every(row * mappersPerMerge, end), first, first + partitionsPerMerge);
    };
    const mergeSome = (cells: readonly number[]) =>
      overRuns(from, cells, (tasks) => {
        const names = this.#pool.broadcast(from.runs.map(({ name }) => name));
        const inputs = tasks.map(inputOf);
        return this.#pool.map(
          (input, ctx) => mergeRecordRuns(spec, input, names.value, ctx),
          inputs,
          this.#stage,
        );
      });
    const runs = await mergeSome([...new Array(merges).keys()]);
    const remake = async (lost: readonly number[]) => {
      for (const [i, run] of (await mergeSome(lost)).entries()) runs[lost[i]!] = run;
    };
    return { runs, remake, remade: 0 };
  }

  get #columns(): number {
    return Math.ceil((this.#cuts.length + 1) / this.#plan.partitionsPerMerge);
  }

  /** The ranges of the partitions from `first` up to `end`, in the runs of these numbers. */
  #inputOf(runs: readonly RecordRun[], numbers: Iterable<number>, first: number, end: number): MergeInput {
    const [low, high] = [this.#cuts[first - 1], this.#cuts[end - 1]];
    const reads: number[] = [];
    for (const i of numbers) {
      const { offset, length } = rangeOf(runs[i]!, low, high);
      if (length > 0) reads.push(i, offset, length);
    }
    return { partition: first, reads: Float64Array.from(reads), low, high };
  }
}

/** Numbers from one on, below another. */
function* every(from: number, below: number, step = 1): Generator<number, void, undefined> {
  for (let i = from; i < below; i += step) yield i;
}

function ruleOf(options: SortRecords): RecordRule {
  const { lines, recordBytes, keyOffset = 0 } = options;
  if ((lines === undefined) === (recordBytes === undefined)) {
    throw new UsageError("BAD_ARGUMENT", "sort: it isn't said what to sort by, or twice", {
      remedy: "Give one of { key }, { lines: true } and { recordBytes, keyBytes }.",
    });
  }
  if (recordBytes === undefined) return { kind: "lines" };
  const keyBytes = options.keyBytes ?? recordBytes - keyOffset;
  if (keyOffset + keyBytes > recordBytes || keyBytes < 1) {
    throw new UsageError(
      "BAD_OPTION",
      `sort: the key ends ${keyOffset + keyBytes} bytes behind the start of a record`,
      {
        remedy: `keyOffset + keyBytes is ${recordBytes}, recordBytes, at most.`,
        details: { option: "keyBytes" },
      },
    );
  }
  return { kind: "fixed", recordBytes, keyOffset, keyBytes };
}

async function* keeping<T>(items: AsyncIterable<T>, kept: T[]): AsyncGenerator<T> {
  for await (const item of items) {
    kept.push(item);
    yield item;
  }
}
