/** What the tasks of a sort of raw records do; this runs in workers. */
import type { Context, PoolSlice, StoredObject } from "../index.ts";
import { uniqueName } from "./dataset-part.ts";
import { type Compression, packFrame } from "./frames.ts";
import { sortKeys } from "./key-sort.ts";
import { Merger } from "./merge.ts";
import type { BlockIndex } from "./partitioner.ts";
import { READ_BYTES } from "./plan.ts";
import { orLost, RangeSource } from "./range-source.ts";
import { findRecords, RecordCursor, type RecordRule } from "./records.ts";
import type { Lost, MergeInput } from "./shuffle-spec.ts";

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

const FRAME_BYTES = 64 * 1024;
const PIECE_BYTES = 1024 * 1024;
const MIN_READ_BYTES = 64 * 1024;
const FEW_BYTES = 160;

/** Sorts one slice in memory, and writes it as a run. */
export async function sortSlice(spec: RecordSpec, slice: PoolSlice, ctx: Context): Promise<RecordRun> {
  const bytes = withLastBreak(await slice.bytes(), spec.rule);
  const table = findRecords(bytes, spec.rule);
  const order = new Uint32Array(table.count);
  for (let i = 0; i < order.length; i++) order[i] = i;
  sortKeys(table, order);
  const blockKeys: Uint8Array[] = [];
  const blockOffsets: number[] = [];
  let sizeBytes = 0;
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let i = 0; i < order.length; ) {
      const first = order[i]!;
      blockKeys.push(Uint8Array.prototype.slice.call(bytes, table.starts[first], table.ends[first]));
      blockOffsets.push(sizeBytes);
      let frameBytes = 0;
      let last = i;
      while (last < order.length && frameBytes < FRAME_BYTES)
        frameBytes += lengthOf(table.records, order[last++]!);
      const frame = Buffer.allocUnsafe(frameBytes);
      for (let at = 0; i < last; i++) at = copyRecord(bytes, table.records, order[i]!, frame, at);
      for (const chunk of packFrame(frame, spec.compression)) {
        sizeBytes += chunk.length;
        yield chunk;
      }
    }
  }
  const name = table.count === 0 ? "" : `${spec.prefix}/run/${uniqueName(ctx.index)}`;
  if (name !== "") await ctx.store.put(name, inPieces(body()));
  return { name, records: table.count, blockKeys, blockOffsets: Float64Array.from(blockOffsets), sizeBytes };
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

/** Merges one range of keys of all runs into an object of the output. */
export function mergeRecords(
  spec: RecordSpec,
  input: MergeInput,
  names: readonly string[],
  ctx: Context,
): Promise<{ object: StoredObject } | Lost> {
  return orLost(async () => {
    const { reads, low, high, partition } = input;
    const count = reads.length / 3;
    const share = Math.floor(spec.memoryBytes / 4 / Math.max(1, count));
    const chunkBytes = Math.max(MIN_READ_BYTES, Math.min(READ_BYTES, share));
    const cursors = Array.from({ length: count }, (_, i) => {
      const run = reads[3 * i]!;
      const range = { offset: reads[3 * i + 1]!, length: reads[3 * i + 2]! };
      const source = new RangeSource(ctx.store, names[run]!, run, range, chunkBytes);
      return new RecordCursor(source, i, spec.rule, { low, high });
    });
    const key = `${spec.output}/part-${String(partition).padStart(5, "0")}`;
    return { object: await ctx.store.put(key, mergedPieces(cursors)) };
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
