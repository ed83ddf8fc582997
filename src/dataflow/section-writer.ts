import type { Section } from "./bsp-spec.ts";
import { packFrame } from "./frames.ts";
import type { PairBuffer } from "./pair-buffer.ts";
import { ChunkQueue, RunWriter, type RunWriterOptions, type WrittenRun } from "./run-writer.ts";

export interface WrittenSections {
  readonly streamed: Section & { readonly pairs: number };
  readonly bits: Section;
  /** The run of the buffer; its offsets count from the start of the object. */
  readonly buffered: WrittenRun;
  readonly offsets: Float64Array;
  readonly sizeBytes: number;
}

/**
 * Writes one object: a run that `fill` makes vertex by vertex, a frame of bits (if `bitsOf` gives any), and the run of all pairs
 * that `fill` put into `buffer` meanwhile.
 *
 * @param fill yields wherever bytes should be taken
 */
export async function writeSections(
  options: RunWriterOptions,
  buffer: PairBuffer,
  fill: (add: RunWriter["add"]) => AsyncIterable<void>,
  bitsOf: () => Uint8Array | undefined,
  put: (body: AsyncIterable<Uint8Array>) => Promise<unknown>,
): Promise<WrittenSections> {
  const queue = new ChunkQueue();
  const writer = new RunWriter(options, queue);
  let failure: { readonly error: unknown } | undefined;
  let bits: Section = { offset: 0, length: 0 };
  async function* body(messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const _ of fill((...pair) => writer.add(...pair))) yield* queue.take();
      writer.end();
    } catch (error) {
      // Stores may wrap what their input throws.
      failure = { error };
      throw error;
    }
    yield* queue.take();
    const offset = writer.written.sizeBytes;
    const raw = bitsOf();
    const frame = raw ? packFrame(raw, options.compression) : [];
    bits = { offset, length: frame.reduce((sum, chunk) => sum + chunk.length, 0) };
    yield* frame;
    yield* messages;
  }
  try {
    const buffered = await buffer.finish((messages) => put(body(messages)));
    const { sizeBytes, pairs } = writer.written;
    const base = bits.offset + bits.length;
    return {
      streamed: { offset: 0, length: sizeBytes, pairs },
      bits,
      buffered,
      offsets: buffered.offsets.map((offset) => base + offset),
      sizeBytes: base + buffered.sizeBytes,
    };
  } catch (error) {
    throw failure ? failure.error : error;
  }
}
