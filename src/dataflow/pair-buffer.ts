import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Decode, Encode } from "./blocks.ts";
import { CombineTable } from "./combine-table.ts";
import type { Compression } from "./frames.ts";
import { sortKeys } from "./key-sort.ts";
import { isKey, Merger, type PartitionOf, RunCursor, type RunSource } from "./merge.ts";
import { type Collected, type Combine, PairList } from "./pair-list.ts";
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

const READ_BYTES = 256 * 1024;

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
  readonly #pairs: PairList | CombineTable;
  readonly #spills: Spill[] = [];
  #folder: string | undefined;

  constructor(options: PairBufferOptions) {
    this.#options = options;
    const sizes = new SizeEstimate(options.encode);
    this.#pairs = options.combine ? new CombineTable(options.combine, sizes) : new PairList(sizes);
  }

  get spilledRuns(): number {
    return this.#spills.length;
  }

  /** @throws UsageError BAD_ARGUMENT for a key without equality by structure */
  add(key: unknown, value: unknown): void {
    this.#pairs.add(key, value);
    if (this.#pairs.sizeBytes > this.#options.memoryBytes) this.#spill();
  }

  /** As `add` with the string whose UTF-8 lies in `bytes` from `start` to `end`. */
  addText(bytes: Uint8Array, start: number, end: number, value: unknown): void {
    this.#pairs.addText(bytes, start, end, value);
    if (this.#pairs.sizeBytes > this.#options.memoryBytes) this.#spill();
  }

  /** As `add` with each word of `bytes`. */
  addWords(bytes: Uint8Array, value: unknown): void {
    const { memoryBytes } = this.#options;
    for (let at = 0; at < bytes.length; ) {
      at = this.#pairs.addWords(bytes, at, value, memoryBytes);
      if (this.#pairs.sizeBytes > memoryBytes) this.#spill();
    }
  }

  get isEmpty(): boolean {
    return this.#pairs.isEmpty && this.#spills.length === 0;
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
      // Stores may wrap what their input throws.
      this.#pairs.settle();
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
    yield* mergeInto(await Merger.open(cursors), writer, this.#options.combine);
  }

  /** What is in memory, in order, into `writer`; then memory is empty. */
  *#sorted(writer: RunWriter): Generator<void, void, undefined> {
    const collected = this.#pairs.take();
    const { bytes, starts, ends, values } = collected;
    const { order, partitions } = this.#ordered(collected);
    for (let i = 0; i < order.length; i++) {
      const pair = order[i]!;
      const partition = partitions === undefined ? 0 : partitions[pair]!;
      if (writer.add(partition, bytes, starts[pair]!, ends[pair]!, values[pair])) yield;
    }
  }

  #ordered(keys: Collected) {
    const { partitionOf, partitions: count } = this.#options;
    const { bytes, starts, ends } = keys;
    const total = starts.length;
    const order = new Uint32Array(total);
    if (partitionOf === undefined || count === 1) {
      for (let i = 0; i < total; i++) order[i] = i;
      sortKeys(keys, order);
      return { order, partitions: undefined };
    }
    const partitions = new Uint32Array(total);
    const begins = new Uint32Array(count + 1);
    for (let i = 0; i < total; i++) {
      const partition = partitionOf(bytes, starts[i]!, ends[i]!);
      partitions[i] = partition;
      begins[partition + 1]!++;
    }
    for (let p = 0; p < count; p++) begins[p + 1]! += begins[p]!;
    const next = begins.slice();
    for (let i = 0; i < total; i++) order[next[partitions[i]!]!++] = i;
    for (let p = 0; p < count; p++) sortKeys(keys, order, begins[p], begins[p + 1]);
    return { order, partitions };
  }

  /** Everything in memory becomes a run in a local file. Synchronous, since `add` is. */
  #spill(): void {
    if (this.#pairs.isEmpty) return;
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
