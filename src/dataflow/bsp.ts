import type { Context, Pool, Resolved, StoredObject } from "../index.ts";
import { checkBsp } from "./bsp-options.ts";
import { runBsp, type SuperstepReport } from "./bsp-run.ts";
import type { Dataset } from "./dataset.ts";
import type { DatasetOutput, Inputs, ObjectsOutput, StageOptions } from "./map-reduce.ts";
import type { Aggregator, Vertex } from "./vertex.ts";

/** A vertex as it begins: its id (any key), its state, and what doesn't change: its edges. */
export type FirstVertex<K, S, E> = readonly [id: K, state: S, edges?: E];

type Several<T> = Iterable<T> | AsyncIterable<T>;

export interface BspOptions<T, K, S, E, M, A> extends StageOptions {
  /** The vertices of an item, each with an id of its own. Write it before `compute`, which takes its types from here. */
  vertices: (item: T, ctx: Context) => Several<FirstVertex<K, S, E>> | Promise<Several<FirstVertex<K, S, E>>>;
  /**
   * Called in each superstep for each vertex that hasn't voted to halt or that has messages, which come in the order of the
   * partitions that sent them. Say here, or in `combine`, of what type they are: `(vertex, messages: number[]) => …`.
   */
  compute: (vertex: Vertex<K, S, E, M, A>, messages: readonly M[], ctx: Context) => void | Promise<void>;
  /** Two messages to a vertex as one, wherever two meet: associative and commutative. */
  combine?: (a: M, b: M) => M;
  /** Values that vertices make together, by name. */
  aggregators?: { readonly [N in keyof A]: Aggregator<A[N]> };
  /** Edges of a vertex that was given twice; its first state is kept. Without, that is an error. */
  mergeEdges?: (a: E, b: E) => E;
  /** Messages to vertices that aren't there: by default an error; `"ignore"`, or the state of such a vertex, which makes it. */
  missing?: "ignore" | ((id: K) => S);
  /** Looked at after each superstep, in this process: true ends the computation. */
  until?: (aggregates: Readonly<A>, superstep: number) => boolean;
  /** The most supersteps: 1…1,000,000, default 1,000. */
  maxSupersteps?: number;
  /** Number of partitions, each of which is a task in each superstep: 1…1,000, default 8. */
  partitions?: number;
  /** The partition of a vertex, from 0; by default by the hash of its id. */
  partition?: (id: K) => number;
  /** Run the script again and it goes on at the last complete superstep: 1 to 60 letters, digits, spaces or . : @ _ - */
  name?: string;
  /** How many items a loading task takes, as of `mapReduce`. */
  itemsPerTask?: number;
  /** Memory for messages in a task, in MiB, 1…65,536, default 64: more are spilled to local files. */
  bufferMb?: number;
  /** How states and messages are compressed; default "zstd" (level 1). */
  compression?: "zstd" | "deflate" | "none";
  /** Called after each superstep. */
  onSuperstep?: (report: SuperstepReport<A>) => void;
}

/** What came of it. */
export interface BspResult<R, A> {
  /** `[id, state]` of each vertex in the order of partitions, and of ids within each; or where they are. */
  readonly vertices: R;
  /** What the aggregators made of the last superstep. */
  readonly aggregates: A;
  /** How many there were. */
  readonly supersteps: number;
  /** Why it ended: no vertex was awake, `until` said so, or there were `maxSupersteps`. */
  readonly ended: "halted" | "until" | "maxSupersteps";
}

/** No aggregators. */
export type None = Record<never, never>;

/**
 * Bulk-synchronous computation over a graph (Pregel): in each superstep, every vertex that is awake gets the messages of the last one,
 * changes its state, and sends messages to others; then all wait for all. It ends when no vertex is awake.
 *
 * States and messages go from store to worker, never through this process: each partition writes one object a superstep, and
 * reads its ranges of the others'. That is a checkpoint as well: what gets lost is made again.
 *
 * Valiant, "A Bridging Model for Parallel Computation", CACM 33 (1990); Malewicz et al., "Pregel", SIGMOD 2010.
 *
 * @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT; CaptureError; StoreError; what your functions throw
 * @example
 * const { vertices } = await bsp(pool, [["a", ["b"]], ["b", ["c"]], ["c", []]] as const, {
 *   vertices: ([name, friends]) => [[name, name, friends]],
 *   compute(vertex, names: readonly string[]) {          // each gets the least name that leads to it
 *     const least = [vertex.state, ...names].sort()[0]!;
 *     if (vertex.superstep === 0 || least < vertex.state) for (const to of vertex.edges) vertex.send(to, least);
 *     vertex.state = least;
 *     vertex.halt();
 *   },
 * });                                                      // [["a", "a"], ["b", "a"], ["c", "a"]], in partitions by hash
 */
export function bsp<T, K, S, E, M, A = None>(
  pool: Pool,
  inputs: Inputs<T>,
  options: BspOptions<Resolved<T>, K, S, E, M, A> & { output: DatasetOutput },
): Promise<BspResult<Dataset<[K, S]>, A>>;
export function bsp<T, K, S, E, M, A = None>(
  pool: Pool,
  inputs: Inputs<T>,
  options: BspOptions<Resolved<T>, K, S, E, M, A> & { output: ObjectsOutput<[K, S]> },
): Promise<BspResult<StoredObject[], A>>;
export function bsp<T, K, S, E, M, A = None>(
  pool: Pool,
  inputs: Inputs<T>,
  options: BspOptions<Resolved<T>, K, S, E, M, A> & { output?: undefined },
): Promise<BspResult<[K, S][], A>>;
export async function bsp(
  pool: Pool,
  inputs: Inputs<unknown>,
  options: unknown,
): Promise<BspResult<unknown, unknown>> {
  return runBsp(pool, inputs, checkBsp(options));
}
