import { asBuffer, BoundaryFinder, overlapsItself, restartPoint } from "./boundary.ts";

/** Bytes `[offsetBytes, endBytes)` of a file or object, in chunks; never more than these, in bounded memory. */
export type ReadRange = (offsetBytes: number, endBytes: number) => AsyncIterable<Uint8Array>;

/** The bytes that a slice stands for: the records that begin in `[offsetBytes, endBytes)` of `sizeBytes`. */
export interface SliceRange {
  readonly offsetBytes: number;
  readonly endBytes: number;
  readonly sizeBytes: number;
}

/** Read beyond a slice's end for the rest of its last record: so much at first, then twice as much each time. */
const BEYOND_BYTES = 64 * 1024;
const MOST_BEYOND_BYTES = 8 * 1024 * 1024;

/**
 * The bytes of a slice's records: from the first record that begins in it to the end of the last one that does, which
 * may lie far beyond. Slices that touch give each byte exactly once.
 */
export async function* cutSlice(
  read: ReadRange,
  range: SliceRange,
  boundary: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offsetBytes, endBytes, sizeBytes } = range;
  const overlaps = overlapsItself(boundary);
  // A boundary that ends at the slice's first byte begins a record in it.
  const near = Math.max(0, offsetBytes - boundary.length);
  const start = overlaps
    ? await restartPoint((from, to) => collect(read(from, Math.min(to, sizeBytes))), boundary, near)
    : near;
  let first = offsetBytes === 0 ? 0 : undefined;
  let stop = endBytes === sizeBytes ? sizeBytes : undefined;
  let finder: BoundaryFinder | undefined;
  let position = start;
  for await (const chunk of readOn(read, start, range)) {
    const from = position;
    position += chunk.length;
    // Between its ends, a slice's boundaries are nobody's business, unless those after them depend on them.
    const matters = first === undefined || (stop === undefined && position > endBytes - boundary.length);
    if (matters || (overlaps && stop === undefined)) {
      finder ??= new BoundaryFinder(boundary, from);
      finder.push(chunk);
      for (let end = finder.next(); end !== undefined; end = finder.next()) {
        if (end >= offsetBytes) first ??= end;
        if (end >= endBytes) stop ??= end;
      }
    } else finder = undefined;
    if (first === undefined && position >= endBytes) return;
    const part = chunk.subarray(
      Math.max(0, (first ?? position) - from),
      Math.min(stop ?? position, position) - from,
    );
    if (part.length > 0) yield part;
    if (stop !== undefined && position >= stop) return;
  }
}

/** From `start` through the slice, and on beyond it for as long as it is asked. */
async function* readOn(read: ReadRange, start: number, range: SliceRange): AsyncGenerator<Uint8Array> {
  const { endBytes, sizeBytes } = range;
  let beyond = BEYOND_BYTES;
  let from = start;
  let to = Math.min(sizeBytes, endBytes + beyond);
  while (from < to) {
    yield* read(from, to);
    from = to;
    to = Math.min(sizeBytes, to + beyond);
    beyond = Math.min(beyond * 2, MOST_BEYOND_BYTES);
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all.length === 1 ? asBuffer(all[0]!) : Buffer.concat(all);
}
