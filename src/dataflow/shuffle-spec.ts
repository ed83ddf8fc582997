import type { Context } from "../index.ts";
import type { Compression } from "./frames.ts";
import type { Combine } from "./pair-list.ts";

/** What all tasks of one shuffle have in common; goes along with their functions. */
export interface ShuffleSpec {
  /** Names of its intermediate objects begin with this. */
  readonly prefix: string;
  readonly partitions: number;
  readonly by: "hash" | "sorted";
  readonly memoryBytes: number;
  readonly compression: Compression;
  readonly combine: Combine | undefined;
  /** Stores of intermediate objects, in place of the pool's. */
  readonly via?: readonly string[];
  /** The partition of a key, in place of its hash. */
  readonly place?: ((key: unknown) => number) | undefined;
}

/** `Emit` of pairs of any kind. */
export interface EmitPair {
  (key: unknown, value: unknown): void;
  text(bytes: Uint8Array, start: number, end: number, value: unknown): void;
  words(bytes: Uint8Array, value: unknown): void;
}

export interface MapSpec extends ShuffleSpec {
  readonly map: (item: unknown, ctx: Context, emit: EmitPair) => unknown;
}

export interface ReduceSpec extends ShuffleSpec {
  readonly reduce: ((key: unknown, values: AsyncIterable<unknown>, ctx: Context) => unknown) | undefined;
  readonly output: OutputSpec;
}

export type OutputSpec =
  | { readonly kind: "array" }
  | { readonly kind: "dataset"; readonly prefix: string }
  | {
      readonly kind: "objects";
      readonly prefix: string;
      readonly format: ((result: unknown) => string | Uint8Array) | undefined;
    };

/** Ranges of runs to be merged: three numbers each, `number of the run, offset, length`. */
export interface MergeInput {
  readonly partition: number;
  readonly reads: Float64Array;
  readonly low?: Uint8Array | undefined;
  readonly high?: Uint8Array | undefined;
}

/** Numbers of the runs that are missing or damaged, instead of a result. */
export interface Lost {
  readonly lost: readonly number[];
}

/** What a task asked of the store. */
export interface Requests {
  readonly puts: number;
  readonly gets: number;
}
