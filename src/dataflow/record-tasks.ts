/** What the tasks of a sort of raw records do; this runs in workers. */
import type { Context, PoolSlice, StoredObject } from "../index.ts";
import { uniqueName } from "./dataset-part.ts";
import { type Compression, packFrame } from "./frames.ts";
import { sortKeys } from "./key-sort.ts";
import { Merger } from "./merge.ts";
import type { BlockIndex } from "./partitioner.ts";
import { orLost, RangeSource } from "./range-source.ts";
import { findRecords, RecordCursor, type RecordRule } from "./records.ts";
import type { Lost, MergeInput } from "./shuffle-spec.ts";
import { RECORD_BLOCK_BYTES as FRAME_BYTES, mergeReadBytes } from "./sort-plan.ts";

export interface RecordSpec {
  readonly prefix: string;
  readonly output: string;
  readonly rule: RecordRule;
  readonly memoryBytes: number;
  readonly compression: Compression;
}

/** A sorted run in the store; `name` is "" for one without records. */
export interface RecordRun extends BlockIndex {
  readonly name: string;
  readonly records: number;
}

const PIECE_BYTES = 1024 * 1024;
const FEW_BYTES = 160;

/** What a run is, while it is written: frames, and with which key each begins. */
class RunFrames {
  readonly blockKeys: Uint8Array[] = [];
  readonly #offsets: number[] = [];
  readonly #compression: Compression;
  sizeBytes = 0;
  records = 0;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  *frame(firstKey: Uint8Array, records: Uint8Array, count: number): Generator<Uint8Array, void, undefined> {
    this.blockKeys.push(Uint8Array.prototype.slice.call(firstKey));
    this.#offsets.push(this.sizeBytes);
    this.records += count;
    for (const chunk of packFrame(records, this.#compression)) {
      this.sizeBytes += chunk.length;
      yield chunk;
    }
  }

  written(name: string): RecordRun {
    const { blockKeys, sizeBytes, records } = this;
    return { name, records, blockKeys, blockOffsets: Float64Array.from(this.#offsets), sizeBytes };
  }
}

/** Sorts one slice in memory, and writes it as a run. */
export async function sortSlice(spec: RecordSpec, slice: PoolSlice, ctx: Context): Promise<RecordRun> {
  const bytes = withLastBreak(await slice.bytes(), spec.rule);
  const table = findRecords(bytes, spec.rule);
  const order = new Uint32Array(table.count);
  for (let i = 0; i < order.length; i++) order[i] = i;
  sortKeys(table, order);
  const frames = new RunFrames(spec.compression);
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; i < order.length; ) {
      const [first, start] = [order[i]!, i];
      let frameBytes = 0;
      let last = i;
      while (last < order.length && frameBytes < FRAME_BYTES)
        frameBytes += lengthOf(table.records, order[last++]!);
      const frame = Buffer.allocUnsafe(frameBytes);
      for (let at = 0; i < last; i++) at = copyRecord(bytes, table.records, order[i]!, frame, at);
      yield* frames.frame(bytes.subarray(table.starts[first], table.ends[first]), frame, last - start);
    }
  }
  const name = table.count === 0 ? "" : `${spec.prefix}/run/${uniqueName(ctx.index)}`;
  if (name !== "") await ctx.store.put(name, inPieces(body()));
  return frames.written(name);
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

/** Merges one range of keys of some runs into a run: the level between, where there are many runs. */
export function mergeRecordRuns(
  spec: RecordSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<RecordRun | Lost> {
  return orLost(async () => {
    const frames = new RunFrames(spec.compression);
    const merger = await Merger.open(cursorsOf(spec, input, names, ctx));
    if (merger.top === undefined) return frames.written("");
    const name = `${spec.prefix}/merge/${uniqueName(ctx.index)}`;
    await ctx.store.put(name, inPieces(mergedFrames(merger, frames)));
    return frames.written(name);
  });
}

async function* mergedFrames(
  merger: Merger<RecordCursor>,
  frames: RunFrames,
): AsyncGenerator<Uint8Array, void, undefined> {
  let frame = Buffer.allocUnsafeSlow(2 * FRAME_BYTES);
  let [at, count] = [0, 0];
  let firstKey: Uint8Array = frame;
  for (let top = merger.top; top; top = merger.top) {
    const { start, end } = top;
    if (count > 0 && (at >= FRAME_BYTES || at + end - start > frame.length)) {
      yield* frames.frame(firstKey, frame.subarray(0, at), count);
      frame = Buffer.allocUnsafeSlow(Math.max(2 * FRAME_BYTES, end - start));
      [at, count] = [0, 0];
    }
    if (count++ === 0) firstKey = Uint8Array.prototype.slice.call(top.key);
    at = copyBytes(top.bytes, start, end, frame, at);
    const reading = merger.advance();
    if (reading) await reading;
  }
  yield* frames.frame(firstKey, frame.subarray(0, at), count);
}

/** Merges one range of keys of runs into an object of the output. */
export function mergeRecords(
  spec: RecordSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<{ object: StoredObject } | Lost> {
  return orLost(async () => {
    const key = `${spec.output}/part-${String(input.partition).padStart(5, "0")}`;
    return { object: await ctx.store.put(key, mergedPieces(cursorsOf(spec, input, names, ctx))) };
  });
}

function cursorsOf(
  spec: RecordSpec,
  { reads, low, high }: MergeInput,
  names: readonly string[],
  ctx: Context,
): RecordCursor[] {
  const count = reads.length / 3;
  const chunkBytes = mergeReadBytes(spec.memoryBytes, count);
  return Array.from({ length: count }, (_, i) => {
    const run = reads[3 * i]!;
    const range = { offset: reads[3 * i + 1]!, length: reads[3 * i + 2]! };
    const source = new RangeSource(ctx.store, names[run]!, run, range, chunkBytes);
    return new RecordCursor(source, i, spec.rule, { low, high });
  });
}

async function* mergedPieces(cursors: readonly RecordCursor[]): AsyncGenerator<Uint8Array, void, undefined> {
  const merger = await Merger.open(cursors);
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let at = 0;
  for (let top = merger.top; top; top = merger.top) {
    const { start, end } = top;
    if (at + end - start > piece.length) {
      yield piece.subarray(0, at);
      piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, end - start));
      at = 0;
    }
    at = copyBytes(top.bytes, start, end, piece, at);
    const reading = merger.advance();
    if (reading) await reading;
  }
  yield piece.subarray(0, at);
}
