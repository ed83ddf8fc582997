/** What the tasks of a sort of raw records do; this runs in workers. */
import type { Context, PoolSlice, StoredObject } from "../index.ts";
import { uniqueName } from "./dataset-part.ts";
import { type Compression, packFrame } from "./frames.ts";
import { sortKeys } from "./key-sort.ts";
import { Merger } from "./merge.ts";
import type { BlockIndex } from "./partitioner.ts";
import { orLost, RangeSource } from "./range-source.ts";
import { findRecords, RecordCursor, type RecordRule } from "./records.ts";
import { runStore } from "./run-store.ts";
import type { Lost, MergeInput, Requests } from "./shuffle-spec.ts";
import { RECORD_BLOCK_BYTES as FRAME_BYTES, mergeReadBytes } from "./sort-plan.ts";

export interface RecordSpec {
  readonly prefix: string;
  readonly output: string;
  readonly rule: RecordRule;
  readonly memoryBytes: number;
  readonly compression: Compression;
  /** Stores of the runs, in place of the pool's. */
  readonly via: readonly string[];
}

/** A sorted run in the store; `name` is "" for one without records. */
export interface RecordRun extends BlockIndex, Requests {
  readonly name: string;
  readonly records: number;
  /** Before compression. */
  readonly rawBytes: number;
}

const PIECE_BYTES = 1024 * 1024;
const FEW_BYTES = 160;

/** Sorts one slice in memory, and writes it as a run. */
export async function sortSlice(spec: RecordSpec, slice: PoolSlice, ctx: Context): Promise<RecordRun> {
  const bytes = withLastBreak(await slice.bytes(), spec.rule);
  const table = findRecords(bytes, spec.rule);
  const order = new Uint32Array(table.count);
  for (let i = 0; i < order.length; i++) order[i] = i;
  sortKeys(table, order);
  function* frames(): Generator<SortedFrame, void, undefined> {
    for (let i = 0; i < order.length; ) {
      const first = order[i]!;
      const firstKey = Uint8Array.prototype.slice.call(bytes, table.starts[first], table.ends[first]);
      let frameBytes = 0;
      let last = i;
      while (last < order.length && frameBytes < FRAME_BYTES)
        frameBytes += lengthOf(table.records, order[last++]!);
      const frame = Buffer.allocUnsafe(frameBytes);
      const records = last - i;
      for (let at = 0; i < last; i++) at = copyRecord(bytes, table.records, order[i]!, frame, at);
      yield { bytes: frame, firstKey, records };
    }
  }
  const name = table.count === 0 ? "" : `${spec.prefix}/run/${uniqueName(ctx.index)}`;
  return { ...(await putRun(spec, name, frames(), ctx)), gets: 0 };
}

/** Sorted records of a run, which are compressed and checked together. */
interface SortedFrame {
  readonly bytes: Buffer;
  readonly firstKey: Uint8Array;
  readonly records: number;
}

/** Writes a run; none if its name is "". */
async function putRun(
  spec: RecordSpec,
  name: string,
  frames: Iterable<SortedFrame> | AsyncIterable<SortedFrame>,
  ctx: Context,
): Promise<Omit<RecordRun, "gets">> {
  const blockKeys: Uint8Array[] = [];
  const blockOffsets: number[] = [];
  let [sizeBytes, rawBytes, records] = [0, 0, 0];
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const frame of frames) {
      blockKeys.push(frame.firstKey);
      blockOffsets.push(sizeBytes);
      records += frame.records;
      rawBytes += frame.bytes.length;
      for (const chunk of packFrame(frame.bytes, spec.compression)) {
        sizeBytes += chunk.length;
        yield chunk;
      }
    }
  }
  if (name !== "") await runStore(ctx.store, spec.via).put(name, inPieces(body()));
  const index = { blockKeys, blockOffsets: Float64Array.from(blockOffsets), sizeBytes };
  return { name, records, rawBytes, ...index, puts: name === "" ? 0 : 1 };
}

const lengthOf = (records: Uint32Array, record: number): number => records[record + 1]! - records[record]!;

function copyRecord(from: Uint8Array, records: Uint32Array, record: number, to: Buffer, at: number): number {
  return copyBytes(from, records[record]!, records[record + 1]!, to, at);
}

/** A loop for short ones, where a call into the engine takes longer. */
function copyBytes(from: Uint8Array, start: number, end: number, to: Buffer, at: number): number {
  if (end - start <= FEW_BYTES) {
    for (let i = start, j = at; i < end; i++, j++) to[j] = from[i]!;
  } else to.set(from.subarray(start, end), at);
  return at + end - start;
}

/** The last line of a file may have no line break; in the sorted file another one may stand behind it. */
function withLastBreak(bytes: Uint8Array, rule: RecordRule): Uint8Array {
  if (rule.kind !== "lines" || bytes.length === 0 || bytes.at(-1) === 10) return bytes;
  return Buffer.concat([bytes, Buffer.from("\n")]);
}

/** Small chunks together: a store may take a system call, or a packet, for each. */
async function* inPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < PIECE_BYTES) continue;
    yield Buffer.concat(held);
    [held, heldBytes] = [[], 0];
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

/** Merges one range of keys of some runs into an object of the output. */
export function mergeRecords(
  spec: RecordSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<({ object: StoredObject } & Requests) | Lost> {
  return orLost(async () => {
    const { cursors, gets } = openRecords(spec, input, names, ctx);
    const key = `${spec.output}/part-${String(input.partition).padStart(5, "0")}`;
    const object = await ctx.store.put(key, mergedPieces(cursors));
    return { object, puts: 0, gets: gets() };
  });
}

/** As `mergeRecords`, into another run. */
export function mergeRecordRuns(
  spec: RecordSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<RecordRun | Lost> {
  return orLost(async () => {
    const { cursors, gets } = openRecords(spec, input, names, ctx);
    const name = input.reads.length === 0 ? "" : `${spec.prefix}/merge/${uniqueName(ctx.index)}`;
    const run = await putRun(spec, name, mergedFrames(cursors), ctx);
    return { ...run, gets: gets() };
  });
}

function openRecords(spec: RecordSpec, input: MergeInput, names: readonly string[], ctx: Context) {
  const { reads, low, high } = input;
  const count = reads.length / 3;
  const chunkBytes = mergeReadBytes(spec.memoryBytes, count);
  const store = runStore(ctx.store, spec.via);
  const sources = Array.from({ length: count }, (_, i) => {
    const run = reads[3 * i]!;
    const range = { offset: reads[3 * i + 1]!, length: reads[3 * i + 2]! };
    return new RangeSource(store, names[run]!, run, range, chunkBytes);
  });
  const cursors = sources.map((source, i) => new RecordCursor(source, i, spec.rule, { low, high }));
  return { cursors, gets: () => sources.reduce((sum, source) => sum + source.gets, 0) };
}

async function* mergedPieces(cursors: readonly RecordCursor[]): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of mergedFrames(cursors, PIECE_BYTES)) yield bytes;
}

/** Merged records, some at a time. */
async function* mergedFrames(
  cursors: readonly RecordCursor[],
  frameBytes = FRAME_BYTES,
): AsyncGenerator<SortedFrame, void, undefined> {
  const merger = await Merger.open(cursors);
  let frame = Buffer.allocUnsafeSlow(frameBytes);
  let firstKey: Uint8Array = new Uint8Array();
  let [at, records] = [0, 0];
  for (let top = merger.top; top; top = merger.top) {
    const { start, end } = top;
    if (at + end - start > frame.length) {
      if (records > 0) yield { bytes: frame.subarray(0, at), firstKey, records };
      frame = Buffer.allocUnsafeSlow(Math.max(frameBytes, end - start));
      at = records = 0;
    }
    if (records++ === 0) firstKey = Uint8Array.prototype.slice.call(top.key);
    at = copyBytes(top.bytes, start, end, frame, at);
    const reading = merger.advance();
    if (reading) await reading;
  }
  if (records > 0) yield { bytes: frame.subarray(0, at), firstKey, records };
}
