/**
 * Where records end: the occurrences of a boundary that a plain split from the left finds. A boundary that overlaps
 * itself ("\n\n" in "\n\n\n") counts where the split would take it, wherever one begins to read.
 */

/** Finds the boundaries in consecutive chunks, also those that lie across two of them. */
export class BoundaryFinder {
  readonly #boundary: Uint8Array;
  /** The last chunk, and before it what a boundary may begin in. */
  #window: Buffer = Buffer.alloc(0);
  #windowStart: number;
  /** Where the next boundary may begin. */
  #from: number;

  /** @param position of the first chunk; must lie in no boundary (see `restartPoint`) */
  constructor(boundary: Uint8Array, position: number) {
    this.#boundary = boundary;
    this.#windowStart = position;
    this.#from = position;
  }

  /** The next chunk; all boundaries of the one before must have been taken. */
  push(chunk: Uint8Array): void {
    const next = asBuffer(chunk);
    const kept = this.#window.subarray(this.#from - this.#windowStart);
    this.#window = kept.length > 0 ? Buffer.concat([kept, next]) : next;
    this.#windowStart = this.#from;
  }

  /** The position just after the next boundary, or undefined until there are more chunks. */
  next(): number | undefined {
    const found = this.#window.indexOf(this.#boundary, this.#from - this.#windowStart);
    if (found >= 0) {
      this.#from = this.#windowStart + found + this.#boundary.length;
      return this.#from;
    }
    const windowEnd = this.#windowStart + this.#window.length;
    this.#from = Math.max(this.#from, windowEnd - this.#boundary.length + 1);
    return undefined;
  }
}

/** Whether two occurrences can share bytes, as "\n\n" has them in "\n\n\n". */
export function overlapsItself(boundary: Uint8Array): boolean {
  const bytes = asBuffer(boundary);
  for (let shift = 1; shift < bytes.length; shift++) {
    if (bytes.subarray(shift).equals(bytes.subarray(0, bytes.length - shift))) return true;
  }
  return false;
}

/** Bytes that are read at once on the way back. */
const STEP_BYTES = 64 * 1024;

/**
 * The last position up to `position` that lies in no occurrence, so that a split which begins there finds the same
 * boundaries as one from the very beginning. In memory bounded by 64 KiB; reads as far back as occurrences overlap.
 */
export async function restartPoint(
  read: (offsetBytes: number, endBytes: number) => Promise<Buffer>,
  boundary: Uint8Array,
  position: number,
): Promise<number> {
  const reach = boundary.length - 1;
  let point = position;
  let [windowStart, window] = [0, Buffer.alloc(0) as Buffer];
  while (point > 0) {
    const from = Math.max(0, point - reach);
    if (from < windowStart || window.length === 0) {
      windowStart = Math.max(0, from - STEP_BYTES);
      window = await read(windowStart, point + reach);
    }
    const around = window.subarray(from - windowStart, point + reach - windowStart);
    const found = around.indexOf(boundary);
    // Found at `point` itself, it doesn't lie across it.
    if (found < 0 || from + found >= point) return point;
    point = from + found;
  }
  return 0;
}

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
