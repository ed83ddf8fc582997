import type { Broadcast, Context } from "../index.ts";
import type { ShuffleSpec } from "./shuffle-spec.ts";
import type { Aggregator, Vertex } from "./vertex.ts";

type AnyVertex = Vertex<unknown, unknown, unknown, unknown, Record<string, unknown>>;

/** What all tasks of one computation have in common; goes along with their functions. */
export interface BspSpec extends ShuffleSpec {
  readonly vertices: (item: unknown, ctx: Context) => unknown;
  readonly compute: (vertex: AnyVertex, messages: readonly unknown[], ctx: Context) => unknown;
  readonly mergeEdges: ((a: unknown, b: unknown) => unknown) | undefined;
  readonly missing: "ignore" | ((id: unknown) => unknown) | undefined;
  readonly aggregators: Readonly<Record<string, Aggregator<unknown>>>;
}

/** A part of an object. */
export interface Section {
  readonly offset: number;
  readonly length: number;
}

/** What a task wrote of its partition: one object of sections, none of which is read without need. Plain data. */
export interface Part {
  readonly name: string;
  readonly partition: number;
  /** -1: from the start, before any superstep. */
  readonly superstep: number;
  /** A run of ids and states. */
  readonly states: Section;
  readonly vertices: number;
  /** Those that didn't vote to halt. */
  readonly active: number;
  /** A bit for each vertex, 1 if it votes to halt; empty if all or none do. */
  readonly halted: Section;
  /** Messages after combining; those for partition p lie from `offsets[p]` to `offsets[p + 1]`. */
  readonly messages: number;
  readonly offsets: Float64Array;
  readonly partials: ReadonlyMap<string, unknown>;
  readonly sizeBytes: number;
  readonly gets: number;
}

/** A partition as it was given: its edges, which don't change, and first states. */
export interface FirstPart extends Part {
  /** A run of ids and edges; empty if no vertex has any. */
  readonly edges: Section;
}

/** What all tasks of a superstep get alike. */
export interface Shared {
  readonly superstep: number;
  /** Of the objects that tasks read, by their numbers. */
  readonly names: readonly string[];
  readonly aggregates: Readonly<Record<string, unknown>>;
  readonly count: number;
}

/** What a superstep's task gets of its own. Objects are numbered: P first parts, P with states, then those with messages. */
export interface PartitionInput
  extends Pick<FirstPart, "edges">,
    Pick<Part, "states" | "halted" | "vertices" | "active"> {
  readonly partition: number;
  readonly partitions: number;
  /** Messages: three numbers each, `number of the object, offset, length`. */
  readonly reads: Float64Array;
  readonly shared: Broadcast<Shared>;
}
