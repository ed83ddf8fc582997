/** What the tasks of a shuffle do; this runs in workers. */
import { UsageError } from "../errors.ts";
import type { Context } from "../index.ts";
import { type DatasetPart, isDatasetPart, partValues, uniqueName, valueFrames } from "./dataset-part.ts";
import { combineGroups, reduceGroups } from "./groups.ts";
import { Merger, type PartitionOf, RunCursor } from "./merge.ts";
import { mergeInto, PairBuffer } from "./pair-buffer.ts";
import { hashPartitioner, placed } from "./partitioner.ts";
import { READ_BYTES } from "./plan.ts";
import { orLost, RangeSource } from "./range-source.ts";
import { runStore } from "./run-store.ts";
import { ChunkQueue, RunWriter, type WrittenRun } from "./run-writer.ts";
import type {
  EmitPair,
  Lost,
  MapSpec,
  MergeInput,
  OutputSpec,
  ReduceSpec,
  Requests,
  ShuffleSpec,
} from "./shuffle-spec.ts";

/** A run in the store; `name` is "" for one without pairs, which has no object. */
export interface StoredRun extends WrittenRun, Requests {
  readonly name: string;
}

const MIN_READ_BYTES = 64 * 1024;

export const codecOf = (ctx: Context) => ({
  encode: (value: unknown) => ctx.encode(value),
  decode: (bytes: Uint8Array) => ctx.decode(bytes),
});

export function partitionOf({ by, partitions, place }: ShuffleSpec): PartitionOf | undefined {
  if (place) return placed(place, partitions);
  return by === "hash" && partitions > 1 ? hashPartitioner(partitions) : undefined;
}

/** Maps items, and writes all their pairs as one run. */
export async function mapItems(spec: MapSpec, items: readonly unknown[], ctx: Context): Promise<StoredRun> {
  const { by, memoryBytes, compression, combine } = spec;
  const partitions = by === "hash" ? spec.partitions : 1;
  const buffer = new PairBuffer({
    ...codecOf(ctx),
    partitions,
    partitionOf: partitionOf(spec),
    combine,
    memoryBytes,
    compression,
    index: by === "sorted",
  });
  const emit: EmitPair = Object.assign((key: unknown, value: unknown) => buffer.add(key, value), {
    text: (bytes: Uint8Array, start: number, end: number, value: unknown) =>
      buffer.addText(bytes, start, end, value),
    words: (bytes: Uint8Array, value: unknown) => buffer.addWords(bytes, value),
  });
  const mapOne = (item: unknown) => mapItem(spec, item, ctx, emit);
  try {
    for (const item of items) {
      if (isDatasetPart(item)) for await (const value of partValues(item, ctx)) await mapOne(value);
      else await mapOne(item);
    }
    if (buffer.isEmpty) return { name: "", puts: 0, gets: 0, ...buffer.nothing() };
    const name = `${spec.prefix}/map/${uniqueName(ctx.index)}`;
    const run = await buffer.finish((body) => runStore(ctx.store, spec.via).put(name, body));
    return { name, puts: 1, gets: 0, ...run };
  } finally {
    buffer.dispose();
  }
}

async function mapItem(spec: MapSpec, item: unknown, ctx: Context, emit: EmitPair): Promise<void> {
  const mapped = spec.map(item, ctx, emit);
  const pairs = mapped instanceof Promise ? await mapped : mapped;
  if (pairs === undefined) return;
  if (typeof pairs === "object" && pairs !== null && Symbol.iterator in pairs) {
    for (const pair of pairs as Iterable<unknown>) emitPair(pair, emit);
  } else if (typeof pairs === "object" && pairs !== null && Symbol.asyncIterator in pairs) {
    for await (const pair of pairs as AsyncIterable<unknown>) emitPair(pair, emit);
  } else throw noPairs(pairs, "returned");
}

function emitPair(pair: unknown, emit: EmitPair): void {
  if (!Array.isArray(pair) || pair.length !== 2) throw noPairs(pair, "yielded");
  emit(pair[0], pair[1]);
}

function noPairs(value: unknown, how: string): UsageError {
  const what = Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`;
  return new UsageError("BAD_ARGUMENT", `mapReduce: map ${how} ${what}; expected pairs [key, value]`, {
    remedy: "Yield [key, value] from a generator, return an iterable of pairs, or call emit(key, value).",
  });
}

/** Opens the ranges of runs, all together in bounded memory. */
export async function openRanges(
  spec: ShuffleSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
  partitionOf?: PartitionOf,
): Promise<{ merger: Merger; gets: () => number }> {
  const { reads, low, high } = input;
  const count = reads.length / 3;
  // Two chunks of each run are held: the one in use, and the next.
  const share = spec.memoryBytes / 2 / Math.max(1, count);
  const chunkBytes = Math.max(MIN_READ_BYTES, Math.min(READ_BYTES, Math.floor(share)));
  const store = runStore(ctx.store, spec.via);
  const sources = Array.from({ length: count }, (_, i) => {
    const [run, offset, length] = reads.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
    return new RangeSource(store, names[run]!, run, { offset, length }, chunkBytes);
  });
  const { decode } = codecOf(ctx);
  const cursors = sources.map(
    (source, i) => new RunCursor(source, i, decode, { partitionOf, range: { low, high } }),
  );
  const gets = () => sources.reduce((sum, source) => sum + source.gets, 0);
  return { merger: await Merger.open(cursors), gets };
}

/** Merges ranges of runs into one run: of `partitions` partitions from `partition` on, or of a range of keys. */
export function mergeRuns(
  spec: ShuffleSpec,
  input: MergeInput & { readonly partitions: number },
  names: readonly string[],
  ctx: Context,
): Promise<StoredRun | Lost> {
  return orLost(async () => {
    const inAll = partitionOf(spec);
    const sorted = spec.by === "sorted";
    const local: PartitionOf | undefined =
      inAll && ((bytes, start, end) => inAll(bytes, start, end) - input.partition);
    const { merger, gets } = await openRanges(spec, input, names, ctx, local);
    const { encode } = codecOf(ctx);
    const chunks = new ChunkQueue();
    const partitions = sorted ? 1 : input.partitions;
    const writer = new RunWriter(
      { partitions, encode, compression: spec.compression, index: sorted },
      chunks,
    );
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const _ of mergeInto(merger, writer, spec.combine)) yield* chunks.take();
      writer.end();
      yield* chunks.take();
    }
    const name = `${spec.prefix}/merge/${uniqueName(ctx.index)}`;
    await runStore(ctx.store, spec.via).put(name, body());
    return { name, puts: 1, gets: gets(), ...writer.written };
  });
}

/** What a reducer gives: its results, or where they are. */
export interface Reduced extends Requests {
  readonly values?: readonly unknown[];
  readonly part?: DatasetPart;
  readonly object?: Awaited<ReturnType<Context["store"]["put"]>>;
}

/** Merges one partition, and reduces it key by key. */
export function reducePartition(
  spec: ReduceSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<Reduced | Lost> {
  return orLost(async () => {
    const { merger, gets } = await openRanges(spec, input, names, ctx);
    const results = spec.reduce
      ? reduceGroups(merger, spec.reduce, ctx)
      : combineGroups(merger, spec.combine!);
    const written = await writeResults(spec.output, spec.compression, results, input.partition, ctx);
    return { ...written, puts: 0, gets: gets() };
  });
}

export async function writeResults(
  output: OutputSpec,
  compression: ShuffleSpec["compression"],
  results: AsyncIterable<unknown>,
  partition: number,
  ctx: Context,
) {
  if (output.kind === "array") {
    const values: unknown[] = [];
    for await (const result of results) values.push(result);
    return { values };
  }
  const key = `${output.prefix}/part-${String(partition).padStart(5, "0")}`;
  if (output.kind === "objects") {
    return { object: await ctx.store.put(key, formatted(results, output.format ?? jsonLine)) };
  }
  const written = { count: 0, sizeBytes: 0 };
  await ctx.store.put(key, valueFrames(results, codecOf(ctx).encode, compression, written));
  const part: DatasetPart = { kind: "kinglet.dataset-part", key, ...written };
  return { part };
}

const jsonLine = (result: unknown): string => `${JSON.stringify(result)}\n`;
const PIECE_BYTES = 64 * 1024;

async function* formatted(
  results: AsyncIterable<unknown>,
  format: (result: unknown) => string | Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const result of results) {
    const text = format(result);
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    held.push(bytes);
    heldBytes += bytes.length;
    if (heldBytes < PIECE_BYTES) continue;
    yield Buffer.concat(held);
    [held, heldBytes] = [[], 0];
  }
  yield Buffer.concat(held);
}
