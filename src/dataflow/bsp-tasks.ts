/** What the tasks of a bulk-synchronous computation do; this runs in workers. */
import { randomBytes } from "node:crypto";
import { UsageError } from "../errors.ts";
import type { Context } from "../index.ts";
import { show } from "../options.ts";
import type { BspSpec, FirstPart, Part, PartitionInput } from "./bsp-spec.ts";
import { uniqueName } from "./dataset-part.ts";
import { decodeKey } from "./keys.ts";
import { isKey, type RunCursor } from "./merge.ts";
import { PairBuffer } from "./pair-buffer.ts";
import { PartitionReader } from "./partition-reader.ts";
import { PartitionStep } from "./partition-step.ts";
import { orLost } from "./range-source.ts";
import { writeSections } from "./section-writer.ts";
import type { Lost, MergeInput, OutputSpec } from "./shuffle-spec.ts";
import { codecOf, mapItems, openRanges, partitionOf, type StoredRun, writeResults } from "./shuffle-tasks.ts";

/** Names the objects of a computation: by a task with a name, so that it is the same for the same functions. */
export const drawRunId = (_spec: unknown): string => randomBytes(8).toString("hex");

/** The vertices of items, as a run. */
export function loadItems(spec: BspSpec, items: readonly unknown[], ctx: Context): Promise<StoredRun> {
  const map = (item: unknown, _: Context, emit: (key: unknown, value: unknown) => void) => {
    const given = spec.vertices(item, ctx);
    return given instanceof Promise ? given.then((all) => emitAll(all, emit)) : emitAll(given, emit);
  };
  return mapItems({ ...spec, combine: undefined, map }, items, ctx);
}

function emitAll(
  given: unknown,
  emit: (key: unknown, value: unknown) => void,
): Iterable<never> | Promise<Iterable<never>> {
  const add = (vertex: unknown) => {
    if (!Array.isArray(vertex) || vertex.length < 2 || vertex.length > 3) throw noVertex(vertex);
    emit(vertex[0], [vertex[1], vertex[2]]);
  };
  if (typeof given === "object" && given !== null && Symbol.asyncIterator in given) {
    return (async () => {
      for await (const vertex of given as AsyncIterable<unknown>) add(vertex);
      return [];
    })();
  }
  if (typeof given !== "object" || given === null || !(Symbol.iterator in given)) throw noVertex(given);
  for (const vertex of given as Iterable<unknown>) add(vertex);
  return [];
}

function noVertex(given: unknown): UsageError {
  return new UsageError("BAD_ARGUMENT", `bsp: vertices gave ${show(given)}; expected [id, state, edges]`, {
    remedy: "Yield [id, state] or [id, state, edges] from a generator, or return a list of such.",
  });
}

/** Merges the vertices of one partition, and writes their edges and states as one object. */
export function placePartition(
  spec: BspSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<FirstPart | Lost> {
  return orLost(async () => {
    const { merger, gets } = await openRanges(spec, input, names, ctx);
    const { partition } = input;
    const options = { partitions: 1, compression: spec.compression, ...codecOf(ctx) };
    const states = new PairBuffer({ ...bufferOptions(spec, ctx), partitions: 1, partitionOf: undefined });
    let anyEdges = false;
    async function* fill(add: (p: number, k: Uint8Array, s: number, e: number, v: unknown) => boolean) {
      for (let top = merger.top; top; top = merger.top) {
        const key = Buffer.from(top.keys.subarray(top.start, top.end));
        let [state, edges] = top.value as [unknown, unknown];
        for (;;) {
          const reading = merger.advance();
          if (reading) await reading;
          const next: RunCursor | undefined = merger.top;
          if (next === undefined || !isKey(next, key)) break;
          if (!spec.mergeEdges) throw givenTwice(key);
          edges = spec.mergeEdges(edges, (next.value as [unknown, unknown])[1]);
        }
        anyEdges ||= edges !== undefined;
        states.add(decodeKey(key), state);
        if (add(0, key, 0, key.length, edges)) yield;
      }
    }
    const name = `${spec.prefix}/first/${partition}-${uniqueName(ctx.index)}`;
    try {
      const put = (body: AsyncIterable<Uint8Array>) => ctx.store.put(name, body);
      const written = await writeSections(options, states, fill, () => undefined, put);
      const { streamed, buffered, offsets } = written;
      const edges = { offset: 0, length: anyEdges ? streamed.length : 0 };
      return {
        ...{ name, partition, superstep: -1, edges, sizeBytes: written.sizeBytes, gets: gets() },
        ...{ states: { offset: offsets[0]!, length: buffered.sizeBytes }, halted: { offset: 0, length: 0 } },
        ...{ vertices: buffered.pairs, active: buffered.pairs, messages: 0 },
        ...{ offsets: new Float64Array(spec.partitions + 1), partials: new Map() },
      };
    } finally {
      states.dispose();
    }
  });
}

const bufferOptions = ({ memoryBytes, compression }: BspSpec, ctx: Context) =>
  ({ ...codecOf(ctx), memoryBytes, compression, combine: undefined, index: false }) as const;

function givenTwice(key: Buffer): UsageError {
  return new UsageError("BAD_ARGUMENT", `bsp: vertex ${show(decodeKey(key))} was given twice`, {
    remedy: "Give each vertex once, or mergeEdges, which makes one of the edges of both.",
  });
}

/** One superstep of one partition: reads states, edges and messages, calls `compute`, writes states and messages. */
export function stepPartition(spec: BspSpec, input: PartitionInput, ctx: Context): Promise<Part | Lost> {
  return orLost(async () => {
    const shared = input.shared.value;
    const { partition, partitions, reads } = input;
    const reader = new PartitionReader(input, shared.names, ctx);
    const [{ merger, gets }] = await Promise.all([
      openRanges(spec, { partition, reads }, shared.names, ctx),
      reader.open(),
    ]);
    const sent = new PairBuffer({
      ...{ ...bufferOptions(spec, ctx), combine: spec.combine },
      ...{ partitions, partitionOf: partitionOf(spec) },
    });
    const step = new PartitionStep({ spec, shared, ctx, reader, merger, sent });
    const name = `${spec.prefix}/step-${shared.superstep}/${partition}-${uniqueName(ctx.index)}`;
    const options = { partitions: 1, compression: spec.compression, ...codecOf(ctx) };
    try {
      const written = await writeSections(
        options,
        sent,
        (add) => step.run(add),
        () => step.haltedBits,
        (body) => ctx.store.put(name, body),
      );
      const { streamed, bits, buffered, offsets, sizeBytes } = written;
      return {
        ...{ name, partition, superstep: shared.superstep, states: streamed, halted: bits },
        ...{ vertices: streamed.pairs, active: step.active, messages: buffered.pairs, offsets },
        ...{ partials: step.partials, sizeBytes, gets: gets() + reader.gets },
      };
    } finally {
      sent.dispose();
    }
  });
}

/** The ids and states of a partition, where results go. */
export function writeVertices(
  compression: BspSpec["compression"],
  output: OutputSpec,
  input: PartitionInput,
  ctx: Context,
) {
  return orLost(async () => {
    const reader = new PartitionReader(input, input.shared.value.names, ctx);
    await reader.open();
    async function* results() {
      for (let top = reader.top; top; top = reader.top) {
        yield [decodeKey(top.keys, top.start, top.end), top.value];
        const reading = reader.advance();
        if (reading) await reading;
      }
    }
    return writeResults(output, compression, results(), input.partition, ctx);
  });
}

/** Keeps a value that only workers can encode. */
export async function keepValue(key: string, value: unknown, ctx: Context): Promise<void> {
  await ctx.store.put(key, ctx.encode(value));
}

export async function keptValue(key: string, ctx: Context): Promise<unknown> {
  return ctx.decode(await ctx.store.get(key));
}
