import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Decode, Encode } from "./blocks.ts";
import type { Compression } from "./frames.ts";
import { sortKeys } from "./key-sort.ts";
import { encodeKey, KeyWriter } from "./keys.ts";
import { isKey, Merger, type PartitionOf, RunCursor, type RunSource } from "./merge.ts";
import { ChunkQueue, RunWriter, type WrittenRun } from "./run-writer.ts";
import { SizeEstimate } from "./size-estimate.ts";

export interface PairBufferOptions {
  readonly partitions: number;
  /** None: all pairs are one partition. */
  readonly partitionOf: PartitionOf | undefined;
  readonly combine: Combine | undefined;
  readonly encode: Encode;
  readonly decode: Decode;
  readonly memoryBytes: number;
  readonly compression: Compression;
  /** Note the first key of each block of the run. */
  readonly index: boolean;
}

export type Combine = (a: unknown, b: unknown) => unknown;

/** What a key costs in a Map beside its own bytes, about. */
const CELL_BYTES = 120;
const READ_BYTES = 256 * 1024;

interface Cell {
  value: unknown;
}

interface Spill {
  readonly fd: number;
  readonly name: string;
  sizeBytes: number;
}

/**
 * The pairs of a task, in bounded memory: sorted by partition and key, and spilled to a local file when there are too many.
 * Call `dispose` at the end, or `finish`, which does.
 */
export class PairBuffer {
  readonly #options: PairBufferOptions;
  readonly #combine: Combine | undefined;
  /** With a combiner: a cell for each key that a Map can tell apart as we do… */
  readonly #cells = new Map<unknown, Cell>();
  /** … and for each other key, by its bytes. */
  readonly #structured = new Map<string, Cell>();
  #keys = new KeyWriter(64 * 1024);
  #ends: number[] = [];
  #values: unknown[] = [];
  #sizeBytes = 0;
  readonly #sizes: SizeEstimate;
  readonly #spills: Spill[] = [];
  #folder: string | undefined;

  constructor(options: PairBufferOptions) {
    this.#options = options;
    this.#combine = options.combine;
    this.#sizes = new SizeEstimate(options.encode);
  }

  get spilledRuns(): number {
    return this.#spills.length;
  }

  /** @throws UsageError BAD_ARGUMENT for a key without equality by structure */
  add(key: unknown, value: unknown): void {
    if (this.#combine === undefined) {
      const before = this.#keys.length;
      this.#keys.add(key);
      this.#append(value);
      this.#sizeBytes += this.#keys.length - before + 16 + this.#sizes.of(value);
    } else if (typeof key === "string") this.#combineIn(this.#cells, key, key.length, value);
    else if (
      (typeof key === "object" && key !== null) ||
      typeof key === "symbol" ||
      typeof key === "function"
    ) {
      const bytes = encodeKey(key);
      this.#combineIn(this.#structured, bytes.toString("latin1"), bytes.length, value);
    } else this.#combineIn(this.#cells, key, 8, value);
    if (this.#sizeBytes > this.#options.memoryBytes) this.#spill();
  }

  #combineIn<K>(cells: Map<K, Cell>, key: K, keyBytes: number, value: unknown): void {
    const cell = cells.get(key);
    if (cell !== undefined) cell.value = this.#combine!(cell.value, value);
    else {
      cells.set(key, { value });
      this.#sizeBytes += CELL_BYTES + keyBytes + this.#sizes.of(value);
    }
  }

  #append(value: unknown): void {
    this.#ends.push(this.#keys.length);
    this.#values.push(value);
  }

  get isEmpty(): boolean {
    return this.#sizeBytes === 0 && this.#spills.length === 0;
  }

  /** What `finish` would give for no pairs at all. */
  nothing(): WrittenRun {
    return new RunWriter({ ...this.#options }, new ChunkQueue()).written;
  }

  /** Writes everything as one run, in order. */
  async finish(put: (body: AsyncIterable<Uint8Array>) => Promise<unknown>): Promise<WrittenRun> {
    const { partitions, encode, compression } = this.#options;
    const sink = new ChunkQueue();
    const writer = new RunWriter({ partitions, encode, compression, index: this.#options.index }, sink);
    const self = this;
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const _ of self.#pairsInOrder(writer)) yield* sink.take();
      writer.end();
      yield* sink.take();
    }
    try {
      await put(body());
      return writer.written;
    } finally {
      this.dispose();
    }
  }

  /** Feeds `writer`, pausing wherever what it has written should be taken. */
  async *#pairsInOrder(writer: RunWriter): AsyncGenerator<void, void, undefined> {
    if (this.#spills.length === 0) {
      for (const _ of this.#sorted(writer)) yield;
      return;
    }
    this.#spill();
    const { partitionOf, decode } = this.#options;
    const cursors = this.#spills.map(
      (spill, rank) => new RunCursor(new SpillSource(spill), rank, decode, { partitionOf }),
    );
    yield* mergeInto(await Merger.open(cursors), writer, this.#combine);
  }

  /** What is in memory, in order, into `writer`; then memory is empty. */
  *#sorted(writer: RunWriter): Generator<void, void, undefined> {
    for (const [key, { value }] of this.#cells) {
      this.#keys.add(key);
      this.#append(value);
    }
    for (const [id, { value }] of this.#structured) {
      this.#keys.addBytes(Buffer.from(id, "latin1"));
      this.#append(value);
    }
    this.#cells.clear();
    this.#structured.clear();
    const count = this.#values.length;
    const { bytes } = this.#keys;
    const ends = Uint32Array.from(this.#ends);
    const starts = new Uint32Array(count);
    if (count > 0) starts.set(ends.subarray(0, count - 1), 1);
    const { order, partitions } = this.#ordered({ bytes, starts, ends });
    const values = this.#values;
    for (let i = 0; i < count; i++) {
      const pair = order[i]!;
      const partition = partitions === undefined ? 0 : partitions[pair]!;
      if (writer.add(partition, bytes, starts[pair]!, ends[pair]!, values[pair])) yield;
    }
    this.#keys = new KeyWriter(64 * 1024);
    this.#ends = [];
    this.#values = [];
    this.#sizeBytes = 0;
  }

  #ordered(keys: { bytes: Buffer; starts: Uint32Array; ends: Uint32Array }) {
    const { partitionOf, partitions: count } = this.#options;
    const total = keys.starts.length;
    const order = new Uint32Array(total);
    if (partitionOf === undefined || count === 1) {
      for (let i = 0; i < total; i++) order[i] = i;
      sortKeys(keys, order);
      return { order, partitions: undefined };
    }
    const partitions = new Uint32Array(total);
    const begins = new Uint32Array(count + 1);
    for (let i = 0; i < total; i++) {
      partitions[i] = partitionOf(keys.bytes, keys.starts[i]!, keys.ends[i]!);
      begins[partitions[i]! + 1]!++;
    }
    for (let p = 0; p < count; p++) begins[p + 1]! += begins[p]!;
    const next = begins.slice();
    for (let i = 0; i < total; i++) order[next[partitions[i]!]!++] = i;
    for (let p = 0; p < count; p++) sortKeys(keys, order, begins[p], begins[p + 1]);
    return { order, partitions };
  }

  /** Everything in memory becomes a run in a local file. Synchronous, since `add` is. */
  #spill(): void {
    if (this.#sizeBytes === 0) return;
    this.#folder ??= mkdtempSync(path.join(tmpdir(), "kinglet-shuffle-"));
    const file = path.join(this.#folder, `${this.#spills.length}`);
    const fd = openSync(file, "wx+", 0o600);
    const spill: Spill = { fd, sizeBytes: 0, name: file };
    this.#spills.push(spill);
    const { partitions, encode, compression } = this.#options;
    const writer = new RunWriter(
      { partitions, encode, compression },
      {
        push(chunk) {
          for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
          spill.sizeBytes += chunk.length;
        },
      },
    );
    for (const _ of this.#sorted(writer));
    writer.end();
  }

  /** Removes the local files. */
  dispose(): void {
    for (const { fd } of this.#spills.splice(0)) closeSync(fd);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Merged pairs into a run; those of equal keys combined. Pauses wherever chunks are ready. */
export async function* mergeInto(
  merger: Merger,
  writer: RunWriter,
  combine: Combine | undefined,
): AsyncGenerator<void, void, undefined> {
  let held: Buffer | undefined;
  let partition = 0;
  let value: unknown;
  const write = () => held !== undefined && writer.add(partition, held, 0, held.length, value);
  for (let top = merger.top; top; top = merger.top) {
    if (!combine) {
      if (writer.add(top.partition, top.keys, top.start, top.end, top.value)) yield;
    } else if (held && top.partition === partition && isKey(top, held)) {
      value = combine(value, top.value);
    } else {
      if (write()) yield;
      held = Buffer.from(top.keys.subarray(top.start, top.end));
      partition = top.partition;
      value = top.value;
    }
    const reading = merger.advance();
    if (reading) await reading;
  }
  if (write()) yield;
}

/** A run in a local file. */
class SpillSource implements RunSource {
  readonly name: string;
  readonly #spill: Spill;
  #at = 0;

  constructor(spill: Spill) {
    this.name = spill.name;
    this.#spill = spill;
  }

  next(): Uint8Array | undefined {
    const chunk = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, this.#spill.sizeBytes - this.#at));
    if (chunk.length === 0) return undefined;
    const got = readSync(this.#spill.fd, chunk, 0, chunk.length, this.#at);
    this.#at += got;
    return got === 0 ? undefined : chunk.subarray(0, got);
  }
}
