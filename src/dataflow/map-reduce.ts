import { randomBytes } from "node:crypto";
import type { CallOptions, Context, MapItems, Pool, Resolved, StoredObject } from "../index.ts";
import { Dataset } from "./dataset.ts";
import { checkMapReduce, viaOf } from "./options.ts";
import { runShuffle, type ShuffleReport } from "./shuffle.ts";
import type { OutputSpec } from "./shuffle-spec.ts";

/** Gives pairs to the shuffle, in place of yielding them: about twice as fast. */
export interface Emit<K, V> {
  (key: K, value: V): void;
  /**
   * As a call with the string whose UTF-8 lies in `bytes` from `start` to `end`, which isn't made: with `combine` it is several
   * times faster for keys that come often. The bytes are copied.
   *
   * @example for await (const chunk of slice.chunks()) eachWord(chunk, (start, end) => emit.text(chunk, start, end, 1));
   */
  readonly text: string extends K ? EmitText<V> : never;
  /**
   * As `text` for each word of `bytes`, a run of bytes above 32 (no blank, tab or line break), of whole lines: the quickest way to count.
   *
   * @example for await (const chunk of slice.chunks()) emit.words(chunk, 1);
   */
  readonly words: string extends K ? EmitWords<V> : never;
}

type EmitText<V> = (bytes: Uint8Array, start: number, end: number, value: V) => void;
type EmitWords<V> = (bytes: Uint8Array, value: V) => void;

type Pairs<K, V> = Iterable<readonly [K, V]> | AsyncIterable<readonly [K, V]>;

/** What `reduce` gives for a key: one result, or each that its generator yields. */
export type Results<R> =
  R extends AsyncGenerator<infer Y, unknown, never>
    ? Y
    : R extends Generator<infer Y, unknown, never>
      ? Y
      : Awaited<R>;

/** Options of every task of the computation, beside its own. */
export type StageOptions = Pick<
  CallOptions,
  "timeoutMs" | "retries" | "retryErrors" | "isolate" | "memoryMb" | "cpus" | "concurrency" | "env" | "signal"
>;

export interface MapReduceOptions<T, K, V> extends StageOptions {
  /**
   * The pairs of an item: a generator, an iterable, or by `emit`. Keys: any value with equality by structure (strings, numbers,
   * dates, bytes, arrays and plain objects of them, …); values: anything that can be an item. Don't change them afterwards.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that only emits returns nothing
  map: (item: T, ctx: Context, emit: Emit<K, V>) => Pairs<K, V> | Promise<Pairs<K, V> | void> | void;
  /** Two values of a key as one, wherever two meet: `(a, b) => a + b`. Associative and commutative. */
  combine?: (a: V, b: V) => V;
  /** Number of partitions, each of which one task reduces: 1…100,000, default 8. */
  partitions?: number;
  /** Which keys a partition has: by their hash (default), or a range of them, so that results are in the order of keys. */
  by?: "hash" | "sorted";
  /** How many items a mapping task takes: 1…1,000,000. Default 1 for files, slices and jobs, about a 64th of an array. */
  itemsPerTask?: number;
  /** Memory for pairs in a task, in MiB, 1…65,536, default 64: more are spilled to local files. */
  bufferMb?: number;
  /** How intermediate data is compressed; default "zstd" (level 1). */
  compression?: "zstd" | "deflate" | "none";
  /** 1: reducers read from all mappers' objects; 2: with merging tasks between. By default as `shufflePlan` says. */
  levels?: 1 | 2;
  /**
   * Stores for intermediate data in place of the pool's, which take turns: one Redis or several (`"redis://host:6379/0"`), a cluster,
   * or any other location. Every worker must reach them.
   */
  via?: string | readonly string[];
  /** Called once, at the end. */
  onReport?: (report: ShuffleReport) => void;
}

interface WithReduce<K, V, R> {
  /** Results of a key. Its values come as a stream, to be gone over once; each already combined within its mapper. */
  reduce: (key: K, values: AsyncIterable<V>, ctx: Context) => R;
}

interface WithoutReduce<V> {
  reduce?: undefined;
  combine: (a: V, b: V) => V;
}

/** One object for each partition, named `<objects>/part-00000` and so on; by default JSON, one result a line. */
export interface ObjectsOutput<R> {
  objects: string;
  format?: (result: R) => string | Uint8Array;
}

/** As a dataset: one object for each partition, named `<dataset>/part-00000` and so on. */
export interface DatasetOutput {
  dataset: string;
}

/** Items of a computation: as those of `pool.map`, or the results of another computation. */
export type Inputs<T> = MapItems<T> | Dataset<T>;

type Item<T> = Resolved<T>;

/**
 * MapReduce: `map` makes pairs of each item, the shuffle brings those of equal keys together, `reduce` makes results of each
 * key. Without `reduce`, the results are `[key, combined value]`. Results come in the order of partitions, and in the order
 * of keys within each.
 *
 * Dean and Ghemawat, "MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004.
 *
 * @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT; CaptureError; what `map`, `combine` or `reduce` throw
 * @example
 * const counts = await mapReduce(pool, ["to be or", "not to be"], {
 *   *map(line) { for (const word of line.split(" ")) yield [word, 1]; },
 *   combine: (a, b) => a + b,
 * });                                                      // [["be", 2], ["not", 1], …], in partitions by hash
 */
export function mapReduce<T, K, V, R>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithReduce<K, V, R> & { output: DatasetOutput },
): Promise<Dataset<Results<R>>>;
export function mapReduce<T, K, V, R>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithReduce<K, V, R> & { output: ObjectsOutput<Results<R>> },
): Promise<StoredObject[]>;
export function mapReduce<T, K, V, R>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithReduce<K, V, R> & { output?: undefined },
): Promise<Results<R>[]>;
export function mapReduce<T, K, V>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithoutReduce<V> & { output: DatasetOutput },
): Promise<Dataset<[K, V]>>;
export function mapReduce<T, K, V>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithoutReduce<V> & { output: ObjectsOutput<[K, V]> },
): Promise<StoredObject[]>;
export function mapReduce<T, K, V>(
  pool: Pool,
  inputs: Inputs<T>,
  options: MapReduceOptions<Item<T>, K, V> & WithoutReduce<V> & { output?: undefined },
): Promise<[K, V][]>;
export async function mapReduce(pool: Pool, inputs: Inputs<unknown>, options: unknown): Promise<unknown> {
  const checked = checkMapReduce(options, "mapReduce");
  const { map, combine, reduce, output } = checked;
  const prefix = `dataflow/${randomBytes(8).toString("hex")}`;
  const shared = {
    prefix,
    partitions: checked.partitions ?? 8,
    by: checked.by ?? "hash",
    memoryBytes: (checked.bufferMb ?? 64) * 1024 * 1024,
    compression: checked.compression ?? "zstd",
    combine,
    via: viaOf(checked.via),
  } as const;
  const outputs = outputOf(output);
  const { reduced, report } = await runShuffle(pool, inputs, {
    mapSpec: { ...shared, map },
    reduceSpec: { ...shared, reduce, output: outputs },
    itemsPerTask: checked.itemsPerTask,
    levels: checked.levels,
    stage: checked.stage,
  });
  checked.onReport?.(report);
  if (outputs.kind === "objects") return reduced.map(({ object }) => object);
  if (outputs.kind === "dataset")
    return new Dataset(
      pool,
      reduced.map(({ part }) => part!),
    );
  return reduced.flatMap(({ values }) => values as unknown[]);
}

export function outputOf(
  output: { dataset?: string; objects?: string; format?: unknown } | undefined,
): OutputSpec {
  if (output === undefined) return { kind: "array" };
  if (output.dataset !== undefined) return { kind: "dataset", prefix: output.dataset };
  return { kind: "objects", prefix: output.objects!, format: output.format as never };
}
