import { type Block, type Decode, readBlock } from "./blocks.ts";
import { FrameReader } from "./frames.ts";
import { compareBytes, prefixOf } from "./key-sort.ts";

/** Bytes of a run in order, in chunks of any size. */
export interface RunSource {
  /** For messages. */
  readonly name: string;
  next(): MaybePromise<Uint8Array | undefined>;
  /** What to throw when its bytes can't be read or are damaged; by default the error itself. */
  failure?(error: unknown): unknown;
}

type MaybePromise<T> = T | Promise<T>;

/** Partition of a key, where a run holds several: they come one after the other. */
export type PartitionOf = (bytes: Uint8Array, start: number, end: number) => number;

/** Only keys from `low` on and below `high`. */
export interface KeyRange {
  readonly low?: Uint8Array | undefined;
  readonly high?: Uint8Array | undefined;
}

/** Where one run stands: at its next record, by whose key runs are compared. */
export interface Cursor<Self> {
  /** To the first record; false if there is none. */
  open(): Promise<boolean>;
  /** To the next record at hand; false if there is none: then `refill`. */
  step(): boolean;
  /** To the first record of the next bytes; false at the end of the run. */
  refill(): Promise<boolean>;
  /** Whether the record is beyond what is wanted: the run has nothing more to give. */
  readonly isDone: boolean;
  isBefore(other: Self): boolean;
}

/** A run of pairs. */
export class RunCursor implements Cursor<RunCursor> {
  readonly #source: RunSource;
  readonly #frames: FrameReader;
  readonly #decode: Decode;
  readonly #partitionOf: PartitionOf | undefined;
  readonly #range: KeyRange;
  /** Breaks ties, so that equal keys come in the order of the runs. */
  readonly rank: number;
  #block: Block | undefined;
  #index = 0;
  start = 0;
  end = 0;
  prefix = 0;
  partition = 0;

  constructor(
    source: RunSource,
    rank: number,
    decode: Decode,
    options: { partitionOf?: PartitionOf | undefined; range?: KeyRange | undefined } = {},
  ) {
    this.#source = source;
    this.#frames = new FrameReader(source.name);
    this.rank = rank;
    this.#decode = decode;
    this.#partitionOf = options.partitionOf;
    this.#range = options.range ?? {};
  }

  get keys(): Buffer {
    return this.#block!.keys;
  }

  get value(): unknown {
    return this.#block!.values[this.#index];
  }

  /** To the first pair; false if there is none. */
  async open(): Promise<boolean> {
    const { low } = this.#range;
    if (!(await this.refill())) return false;
    while (low && compareBytes(this.keys, this.start, this.end, low, 0, low.length) < 0) {
      if (!this.step() && !(await this.refill())) return false;
    }
    return !this.isDone;
  }

  /** To the next pair of the block; false at its end: then `refill`. */
  step(): boolean {
    if (++this.#index >= this.#block!.count) return false;
    this.#place();
    return true;
  }

  /** To the first pair of the next block; false at the end of the run. */
  async refill(): Promise<boolean> {
    try {
      return await this.#refill();
    } catch (error) {
      throw this.#source.failure?.(error) ?? error;
    }
  }

  async #refill(): Promise<boolean> {
    for (;;) {
      const frame = this.#frames.next();
      if (frame !== undefined) {
        this.#block = await readBlock(frame, this.#decode);
        this.#index = 0;
        if (this.#block.count === 0) continue;
        this.#place();
        return true;
      }
      const next = this.#source.next();
      const chunk = next instanceof Promise ? await next : next;
      if (chunk === undefined) {
        this.#frames.end();
        return false;
      }
      this.#frames.push(chunk);
    }
  }

  /** Whether the pair is beyond the range: the run has nothing more to give. */
  get isDone(): boolean {
    const { high } = this.#range;
    return high !== undefined && compareBytes(this.keys, this.start, this.end, high, 0, high.length) >= 0;
  }

  #place(): void {
    const { ends, keys } = this.#block!;
    const start = this.#index === 0 ? 0 : ends[this.#index - 1]!;
    const end = ends[this.#index]!;
    this.start = start;
    this.end = end;
    this.prefix = prefixOf(keys, start, end);
    if (this.#partitionOf) this.partition = this.#partitionOf(keys, start, end);
  }

  isBefore(other: RunCursor): boolean {
    if (this.partition !== other.partition) return this.partition < other.partition;
    if (this.prefix !== other.prefix) return this.prefix < other.prefix;
    const order = compareBytes(this.keys, this.start, this.end, other.keys, other.start, other.end);
    return order === 0 ? this.rank < other.rank : order < 0;
  }
}

/** Merges sorted runs; memory for a block and a chunk of each. */
export class Merger<C extends Cursor<C> = RunCursor> {
  readonly #heap: C[] = [];

  /** @param cursors not yet opened; all their first chunks are fetched, `parallel` at a time */
  static async open<C extends Cursor<C>>(cursors: readonly C[], parallel = 16): Promise<Merger<C>> {
    const merger = new Merger<C>();
    const waiting = cursors.values();
    const opened: C[] = [];
    const work = async () => {
      for (const cursor of waiting) if (await cursor.open()) opened.push(cursor);
    };
    await Promise.all(Array.from({ length: Math.min(parallel, cursors.length) }, work));
    for (const cursor of opened) {
      merger.#heap.push(cursor);
      merger.#siftUp(merger.#heap.length - 1);
    }
    return merger;
  }

  /** The run whose pair is the next; undefined at the end. */
  get top(): C | undefined {
    return this.#heap[0];
  }

  /** To the next pair; a promise where a block must be read first. */
  advance(): Promise<void> | undefined {
    const top = this.#heap[0]!;
    if (!top.step()) return this.#refill(top);
    if (top.isDone) this.#pop();
    else this.#siftDown();
    return undefined;
  }

  async #refill(top: C): Promise<void> {
    if ((await top.refill()) && !top.isDone) this.#siftDown();
    else this.#pop();
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#siftDown();
  }

  #siftUp(index: number): void {
    const heap = this.#heap;
    const cursor = heap[index]!;
    let at = index;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!cursor.isBefore(heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = cursor;
  }

  #siftDown(): void {
    const heap = this.#heap;
    const { length } = heap;
    const cursor = heap[0]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && heap[child + 1]!.isBefore(heap[child]!)) child++;
      if (!heap[child]!.isBefore(cursor)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = cursor;
  }
}

/** Whether the cursor stands at this key. */
export const isKey = (cursor: RunCursor, key: Buffer): boolean =>
  key.length === cursor.end - cursor.start && key.compare(cursor.keys, cursor.start, cursor.end) === 0;
