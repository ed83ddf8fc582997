import { StoreError } from "../errors.ts";
import { cutSlice, type SliceRange } from "./cut.ts";
import { type OpenSource, openSource, type SliceSource } from "./source.ts";

/** How a file's bytes are divided into records. */
export interface RecordRule {
  /** What each record ends with; none: slices may begin and end anywhere. */
  readonly boundary?: Uint8Array;
  /** The size of each record: slices are whole numbers of them. */
  readonly recordBytes?: number;
}

export interface SliceReading extends Omit<SliceRange, "sizeBytes"> {
  readonly source: SliceSource;
  readonly records: RecordRule;
  /** Unpack it if it is a gzip file. */
  readonly decompress: boolean;
}

/** The bytes of a slice, in chunks. @throws StoreError INPUT_CHANGED, STORE_UNAVAILABLE, STORE_CORRUPT */
export async function* readSlice(reading: SliceReading): AsyncGenerator<Uint8Array, void, undefined> {
  const source = await openSource(reading.source);
  try {
    yield* isWhole(reading) && reading.decompress ? plainOrUnpacked(reading, source) : cut(reading, source);
    // Bytes of two versions must not pass for one.
    await source.finish();
  } finally {
    await source.close();
  }
}

const isWhole = ({ offsetBytes, endBytes, source }: SliceReading): boolean =>
  offsetBytes === 0 && endBytes === source.sizeBytes;

function cut({ records, offsetBytes, endBytes, source }: SliceReading, { read }: OpenSource) {
  const range = { offsetBytes, endBytes, sizeBytes: source.sizeBytes };
  return records.boundary ? cutSlice(read, range, records.boundary) : read(offsetBytes, endBytes);
}

export const MAGIC_BYTES = 3;

/** Whether a file that begins like this is gzip: its magic number, and the one method there is. */
export const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b && head[2] === 8;

async function* plainOrUnpacked({ source }: SliceReading, { read }: OpenSource): AsyncGenerator<Uint8Array> {
  const chunks = read(0, source.sizeBytes)[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  for (let sizeBytes = 0; sizeBytes < MAGIC_BYTES; ) {
    const next = await chunks.next();
    if (next.done) break;
    held.push(next.value);
    sizeBytes += next.value.length;
  }
  const whole = (async function* () {
    yield* held;
    yield* { [Symbol.asyncIterator]: () => chunks };
  })();
  if (isGzip(Buffer.concat(held.map((chunk) => chunk.subarray(0, MAGIC_BYTES))))) {
    yield* unpack(source, whole);
  } else yield* whole;
}

async function* unpack(
  source: SliceSource,
  packed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { pipeline, Readable } = await import("node:stream");
  const { createGunzip } = await import("node:zlib");
  const gunzip = createGunzip({ chunkSize: 64 * 1024 });
  // Its errors, those of reading too, come out of `gunzip`.
  pipeline(Readable.from(packed, { objectMode: true, highWaterMark: 1 }), gunzip, () => {});
  try {
    yield* gunzip;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw error;
    throw new StoreError("STORE_CORRUPT", `${source.path} can't be unpacked: ${(error as Error).message}`, {
      cause: error,
      remedy: `Is it whole? gzip -t ${source.path}`,
      details: { key: source.path },
    });
  }
}
