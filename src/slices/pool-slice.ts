import { UsageError } from "../errors.ts";
import { asBuffer } from "./boundary.ts";
import { flattened } from "./flattened.ts";
import type { RecordRule, SliceReading } from "./read-slice.ts";
import type { SliceSource } from "./source.ts";

/** What a slice is made of; plain data, for it travels to where the slice is read. */
export interface SliceFacts {
  readonly source: SliceSource;
  readonly index: number;
  readonly offsetBytes: number;
  readonly endBytes: number;
  /** What records end with, as hex; "" for none. */
  readonly boundaryHex: string;
  /** The size of each record; 0 for none. */
  readonly recordBytes: number;
  readonly decompress: boolean;
}

/** What travels of a slice. */
export let sliceFacts: (slice: PoolSlice) => SliceFacts;

/**
 * A part of a file or object, as an item: a small handle; the bytes are read where the task asks for them. Its content
 * is the records that *begin* in the part, whole, so that no record is cut or read twice.
 *
 * @example
 * await pool.map(async (slice) => {
 *   let errors = 0;
 *   for await (const line of slice.lines()) if (line.includes("ERROR")) errors++;
 *   return errors;
 * }, pool.slices("logs/*.log"));
 */
export class PoolSlice {
  readonly #facts: SliceFacts;

  constructor(facts: SliceFacts) {
    this.#facts = facts;
  }

  /** Absolute path of the file, or `s3://bucket/key`. */
  get path(): string {
    return this.#facts.source.path;
  }

  /** `web.log` */
  get name(): string {
    return this.path.slice(Math.max(this.path.lastIndexOf("/"), this.path.lastIndexOf("\\")) + 1);
  }

  /** Number of the slice in its file, from 0. */
  get index(): number {
    return this.#facts.index;
  }

  /** Where the part begins in the file, in bytes. */
  get offsetBytes(): number {
    return this.#facts.offsetBytes;
  }

  /** Size of the part in bytes: of the compressed file where that is gzip. The records in it may end beyond it. */
  get sizeBytes(): number {
    return this.#facts.endBytes - this.#facts.offsetBytes;
  }

  /**
   * The slice's records with their boundaries, in chunks of any size, in bounded memory; gzip files unpacked.
   * @throws StoreError INPUT_CHANGED if the file was written or removed since it was cut; STORE_CORRUPT (gzip)
   */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    const { readSlice } = await import("./read-slice.ts");
    yield* readSlice(this.#reading);
  }

  /**
   * As `stream()`, but no chunk ends within a record, in memory for the longest one: what a loop over bytes wants, which is
   * quicker than strings. Slices cut anywhere have the chunks of `stream()`.
   *
   * @example for await (const chunk of slice.chunks()) for (const byte of chunk) if (byte === 10) lines++;
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const { wholeChunks } = await import("./split.ts");
    yield* wholeChunks(this.stream(), this.#reading.records);
  }

  /** All of `stream()`. */
  async bytes(): Promise<Uint8Array> {
    const { collect } = await import("./cut.ts");
    return collect(this.stream());
  }

  /** All of `stream()`, as UTF-8. */
  async text(): Promise<string> {
    return asBuffer(await this.bytes()).toString("utf8");
  }

  /** Line by line, as UTF-8, without the line breaks (`\n`, `\r\n`), in memory for the longest line. */
  lines(): AsyncIterableIterator<string, void, undefined> {
    return flattened(this.#lines());
  }

  async *#lines(): AsyncGenerator<string[], void, undefined> {
    const { splitLines } = await import("./split.ts");
    yield* splitLines(this.stream());
  }

  /**
   * Record by record, without the boundaries, in memory for the longest one. Each is a view of memory that it shares
   * with its neighbours: copy those that you keep. @throws UsageError BAD_ARGUMENT for slices without a record rule
   */
  records(): AsyncIterableIterator<Uint8Array, void, undefined> {
    const { boundary, recordBytes } = this.#reading.records;
    if (boundary || recordBytes) return flattened(this.#records(this.#reading.records));
    throw new UsageError("BAD_ARGUMENT", `${this.name}: slices cut anywhere have no records`, {
      remedy: "Give pool.slices a boundary or recordBytes, or read stream() or bytes().",
    });
  }

  async *#records({ boundary, recordBytes }: RecordRule): AsyncGenerator<Uint8Array[], void, undefined> {
    const { splitEvery, splitRecords } = await import("./split.ts");
    yield* boundary ? splitRecords(this.stream(), boundary) : splitEvery(this.stream(), recordBytes!);
  }

  get #reading(): SliceReading {
    const { source, offsetBytes, endBytes, boundaryHex, recordBytes, decompress } = this.#facts;
    const records: RecordRule = {
      ...(boundaryHex ? { boundary: Buffer.from(boundaryHex, "hex") } : {}),
      ...(recordBytes ? { recordBytes } : {}),
    };
    return { source, offsetBytes, endBytes, records, decompress };
  }

  static {
    sliceFacts = (slice) => slice.#facts;
  }
}
