import { BlockBuilder, type Encode } from "./blocks.ts";
import { type Compression, packFrame } from "./frames.ts";
import { SizeEstimate } from "./size-estimate.ts";

/** Takes the bytes of a run. */
export interface ChunkSink {
  push(chunk: Uint8Array): void;
}

/** Chunks that wait to be taken. */
export class ChunkQueue implements ChunkSink {
  #chunks: Uint8Array[] = [];

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  take(): Uint8Array[] {
    return this.#chunks.splice(0);
  }
}

/** What is in a run, and where. */
export interface WrittenRun {
  readonly sizeBytes: number;
  /** Before compression. */
  readonly rawBytes: number;
  readonly pairs: number;
  /** Partition p lies from `offsets[p]` to `offsets[p + 1]`. */
  readonly offsets: Float64Array;
  /** With `index`: the first key of each block, and where the block begins. */
  readonly blockKeys: readonly Uint8Array[];
  readonly blockOffsets: Float64Array;
}

export interface RunWriterOptions {
  readonly partitions: number;
  readonly encode: Encode;
  readonly compression: Compression;
  /** Note the first key of each block. */
  readonly index?: boolean;
}

/** Writes pairs, which come in the order of partition and key, as frames of blocks; no block has two partitions. */
export class RunWriter {
  readonly #options: RunWriterOptions;
  readonly #sink: ChunkSink;
  readonly #block: BlockBuilder;
  readonly #sizes: SizeEstimate;
  readonly #offsets: Float64Array;
  readonly #blockKeys: Uint8Array[] = [];
  readonly #blockOffsets: number[] = [];
  #partition = 0;
  #sizeBytes = 0;
  #rawBytes = 0;
  #pairs = 0;

  constructor(options: RunWriterOptions, sink: ChunkSink) {
    this.#options = options;
    this.#sink = sink;
    this.#block = new BlockBuilder(options.encode);
    this.#sizes = new SizeEstimate(options.encode);
    this.#offsets = new Float64Array(options.partitions + 1);
  }

  /** True if it gave bytes to the sink. */
  add(partition: number, keys: Uint8Array, start: number, end: number, value: unknown): boolean {
    const flushed = (partition !== this.#partition || this.#block.isFull) && this.#flush();
    while (this.#partition < partition) this.#offsets[++this.#partition] = this.#sizeBytes;
    this.#block.add(keys, start, end, value, this.#sizes.of(value));
    this.#pairs++;
    return flushed;
  }

  /** Call after the last pair. */
  end(): void {
    this.#flush();
    while (this.#partition < this.#options.partitions) this.#offsets[++this.#partition] = this.#sizeBytes;
  }

  get written(): WrittenRun {
    return {
      sizeBytes: this.#sizeBytes,
      rawBytes: this.#rawBytes,
      pairs: this.#pairs,
      offsets: this.#offsets,
      blockKeys: this.#blockKeys,
      blockOffsets: Float64Array.from(this.#blockOffsets),
    };
  }

  #flush(): boolean {
    if (this.#block.count === 0) return false;
    if (this.#options.index) {
      this.#blockKeys.push(this.#block.firstKey);
      this.#blockOffsets.push(this.#sizeBytes);
    }
    const raw = this.#block.take();
    this.#rawBytes += raw.length;
    for (const chunk of packFrame(raw, this.#options.compression)) {
      this.#sink.push(chunk);
      this.#sizeBytes += chunk.length;
    }
    return true;
  }
}
