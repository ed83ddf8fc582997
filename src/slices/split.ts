import { asBuffer, BoundaryFinder } from "./boundary.ts";

/**
 * Records without their boundaries, as views of the chunks, many at a time; what follows the last boundary is one unless
 * it is empty.
 */
export async function* splitRecords(
  chunks: AsyncIterable<Uint8Array>,
  boundary: Uint8Array,
): AsyncGenerator<Uint8Array[], void, undefined> {
  const finder = new BoundaryFinder(boundary, 0);
  const held = new Held();
  /** Position of the first byte that is held. */
  let start = 0;
  for await (const chunk of chunks) {
    finder.push(chunk);
    held.add(chunk);
    let end = finder.next();
    if (end === undefined) continue;
    const bytes = held.take();
    const records: Uint8Array[] = [];
    let from = 0;
    for (; end !== undefined; end = finder.next()) {
      records.push(bytes.subarray(from, end - start - boundary.length));
      from = end - start;
    }
    yield records;
    held.add(bytes.subarray(from));
    start += from;
  }
  if (held.sizeBytes > 0) yield [held.take()];
}

/** Records of one size, as views of the chunks, many at a time; the last one may be shorter. */
export async function* splitEvery(
  chunks: AsyncIterable<Uint8Array>,
  recordBytes: number,
): AsyncGenerator<Uint8Array[], void, undefined> {
  const held = new Held();
  for await (const chunk of chunks) {
    held.add(chunk);
    if (held.sizeBytes < recordBytes) continue;
    const bytes = held.take();
    const records: Uint8Array[] = [];
    let from = 0;
    for (; from + recordBytes <= bytes.length; from += recordBytes) {
      records.push(bytes.subarray(from, from + recordBytes));
    }
    yield records;
    held.add(bytes.subarray(from));
  }
  if (held.sizeBytes > 0) yield [held.take()];
}

/** The first and the last place in a chunk where a record ends; undefined if none does. */
type EndsIn = (chunk: Buffer) => { first: number; last: number } | undefined;

/** The same bytes, in chunks of whole records; only what follows the last boundary may be none. */
export async function* wholeChunks(
  chunks: AsyncIterable<Uint8Array>,
  { boundary, recordBytes }: { readonly boundary?: Uint8Array; readonly recordBytes?: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const endsIn = boundary ? endsOfRecords(boundary) : endsEvery(recordBytes ?? 1);
  const held = new Held();
  for await (const part of chunks) {
    const chunk = asBuffer(part);
    const ends = endsIn(chunk);
    if (ends === undefined) {
      held.add(chunk);
      continue;
    }
    // Of the two chunks that share a record, only the record is copied.
    let from = 0;
    if (held.sizeBytes > 0) {
      held.add(chunk.subarray(0, ends.first));
      yield held.take();
      from = ends.first;
    }
    if (from < ends.last) yield chunk.subarray(from, ends.last);
    held.add(chunk.subarray(ends.last));
  }
  if (held.sizeBytes > 0) yield held.take();
}

function endsOfRecords(boundary: Uint8Array): EndsIn {
  const [byte] = boundary;
  if (boundary.length === 1) {
    return (chunk) => {
      const last = chunk.lastIndexOf(byte!) + 1;
      return last === 0 ? undefined : { first: chunk.indexOf(byte!) + 1, last };
    };
  }
  const finder = new BoundaryFinder(boundary, 0);
  let position = 0;
  return (chunk) => {
    const start = position;
    position += chunk.length;
    finder.push(chunk);
    const first = finder.next();
    if (first === undefined) return undefined;
    let last = first;
    for (let end = finder.next(); end !== undefined; end = finder.next()) last = end;
    return { first: first - start, last: last - start };
  };
}

function endsEvery(recordBytes: number): EndsIn {
  let before = 0;
  return (chunk) => {
    const first = recordBytes - before;
    const total = before + chunk.length;
    before = total % recordBytes;
    return total < recordBytes ? undefined : { first, last: chunk.length - before };
  };
}

const LINE_FEED = 10;

/** Lines of UTF-8 without their line breaks, `\n` or `\r\n`, many at a time. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<string[], void, undefined> {
  const held = new Held();
  for await (const chunk of chunks) {
    const last = chunk.lastIndexOf(LINE_FEED);
    if (last < 0) {
      held.add(chunk);
      continue;
    }
    // Decoded many at a time, and split as text: several times quicker than line by line.
    held.add(chunk.subarray(0, last));
    yield linesOf(held.take());
    held.add(chunk.subarray(last + 1));
  }
  if (held.sizeBytes > 0) yield linesOf(held.take());
}

function linesOf(bytes: Buffer): string[] {
  const text = bytes.toString("utf8");
  const lines = text.split("\n");
  if (!text.includes("\r")) return lines;
  return lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

/** Pieces of a record that isn't whole yet; joined once, however many they are. */
class Held {
  #pieces: Uint8Array[] = [];
  sizeBytes = 0;

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.sizeBytes += piece.length;
  }

  take(): Buffer {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.sizeBytes = 0;
    return pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces);
  }
}
