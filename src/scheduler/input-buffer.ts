import { type Entry, Run, RunBuilder } from "../job/entries.ts";
import type { FrameLocation, Journal } from "../job/journal.ts";
import { decodeRecord } from "../job/records.ts";
import type { MaybePromise } from "../storage/contract.ts";

/** Packed inputs that a job keeps in memory; those beyond it are read from its journal when they are needed. */
const KEPT_BYTES = 64 * 1024 * 1024;

const RUN_HEADER_BYTES = 24;
const ENTRY_HEADER_BYTES = 5;

interface Chunk {
  readonly first: number;
  readonly end: number;
  readonly location: FrameLocation;
  /** Undefined where it must be read from the journal. */
  run: Run | undefined;
  loading: Promise<Run> | undefined;
  /** Tasks without a recorded outcome. */
  left: number;
}

/** The inputs of a job's tasks that have no outcome yet, as packed runs, in order of index. */
export class InputBuffer {
  readonly #journal: Journal;
  #chunks: Chunk[] = [];
  #settledChunks = 0;
  #keptBytes = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Bytes in memory. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** `left`: how many of its tasks have no outcome yet. */
  add(run: Run, location: FrameLocation, left: number): void {
    if (left === 0) return;
    const keep = this.#keptBytes + run.bytes.length <= KEPT_BYTES;
    if (keep) this.#keptBytes += run.bytes.length;
    this.#chunks.push({
      first: run.first,
      end: run.end,
      location,
      run: keep ? run : undefined,
      loading: undefined,
      left,
    });
  }

  /** The inputs of `count` tasks from `first` on, as a run of their own; a promise if they must be read again. */
  slice(first: number, count: number): MaybePromise<Uint8Array> {
    const end = first + count;
    const from = this.#position(first);
    const chunk = this.#chunks[from]!;
    if (chunk.end >= end) {
      if (chunk.run) return sliceRun(chunk.run, first, count);
      return this.#load(chunk).then((run) => sliceRun(run, first, count));
    }
    let to = from;
    while (to < this.#chunks.length && this.#chunks[to]!.first < end) to += 1;
    const chunks = this.#chunks.slice(from, to);
    if (chunks.every((one) => one.run))
      return joinRuns(
        chunks.map((one) => one.run!),
        first,
        end,
      );
    return Promise.all(chunks.map((one) => this.#load(one))).then((runs) => joinRuns(runs, first, end));
  }

  /** The input of one task, if it is in memory. */
  entry(index: number): Entry | undefined {
    const chunk = this.#chunks[this.#position(index)];
    return chunk?.run?.entry(index);
  }

  /** The tasks have an outcome: their inputs aren't needed any more. */
  settle(first: number, count: number): void {
    const end = first + count;
    for (let i = this.#position(first); i < this.#chunks.length && this.#chunks[i]!.first < end; i++) {
      const chunk = this.#chunks[i]!;
      chunk.left -= Math.min(end, chunk.end) - Math.max(first, chunk.first);
      if (chunk.left > 0) continue;
      this.#drop(chunk);
      this.#settledChunks += 1;
    }
    if (this.#settledChunks > 64 && this.#settledChunks * 2 > this.#chunks.length) this.#compact();
  }

  clear(): void {
    this.#chunks = [];
    this.#keptBytes = 0;
  }

  #compact(): void {
    this.#chunks = this.#chunks.filter((chunk) => chunk.left > 0);
    this.#settledChunks = 0;
  }

  #drop(chunk: Chunk): void {
    if (chunk.run) this.#keptBytes -= chunk.run.bytes.length;
    chunk.run = undefined;
  }

  #load(chunk: Chunk): Promise<Run> {
    if (chunk.run) return Promise.resolve(chunk.run);
    chunk.loading ??= this.#read(chunk).finally(() => {
      chunk.loading = undefined;
    });
    return chunk.loading;
  }

  async #read(chunk: Chunk): Promise<Run> {
    const record = decodeRecord(await this.#journal.read(chunk.location));
    if (record?.type !== "inputs") throw new RangeError(`no inputs at byte ${chunk.location.offsetBytes}`);
    const run = new Run(record.run);
    if (chunk.left > 0 && !chunk.run) {
      chunk.run = run;
      this.#keptBytes += run.bytes.length;
    }
    return run;
  }

  /** Position of the first chunk that ends after `index`. */
  #position(index: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.end <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Tasks `first`… of a run as a run of their own: entry headers and bodies lie together, so three copies do. */
function sliceRun(run: Run, first: number, count: number): Uint8Array {
  if (first === run.first && count === run.count) return run.bytes;
  const body = run.entry(first).body;
  const lastBody = count === 1 ? body : run.entry(first + count - 1).body;
  const bodiesFrom = body.byteOffset - run.bytes.byteOffset;
  const bodiesTo = lastBody.byteOffset - run.bytes.byteOffset + lastBody.length;
  const headersFrom = RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * (first - run.first);
  const headerBytes = RUN_HEADER_BYTES + ENTRY_HEADER_BYTES * count;
  const slice = Buffer.allocUnsafe(headerBytes + bodiesTo - bodiesFrom);
  run.bytes.copy(slice, 0, 0, RUN_HEADER_BYTES);
  slice.writeDoubleLE(first, 8);
  slice.writeUInt32LE(count, 16);
  run.bytes.copy(slice, RUN_HEADER_BYTES, headersFrom, headersFrom + ENTRY_HEADER_BYTES * count);
  run.bytes.copy(slice, headerBytes, bodiesFrom, bodiesTo);
  return slice;
}

function joinRuns(runs: readonly Run[], first: number, end: number): Uint8Array {
  const { jobNumber, attempt } = runs[0]!;
  const joined = new RunBuilder({ jobNumber, attempt, first });
  for (const run of runs) {
    for (let index = Math.max(first, run.first); index < Math.min(end, run.end); index++) {
      const { kind, body } = run.entry(index);
      joined.add(kind, [body]);
    }
  }
  const chunks = joined.finish();
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
