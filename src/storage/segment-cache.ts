import { spanOf } from "./bodies.ts";
import type { GetOptions, ObjectStore } from "./contract.ts";

/** Whole segments that are kept, together. */
const KEPT_BYTES = 32 * 1024 * 1024;
/** Keys of which it is known that a range was read. */
const KNOWN_KEYS = 256;

interface Segment {
  readonly bytes: Promise<Uint8Array>;
  sizeBytes: number;
}

/**
 * Reads ranges of segments, which never change. The second range of the same one gets it whole, and further ones come
 * from memory: a segment holds many runs of outcomes, and a request for each would take longer than all of it.
 */
export class SegmentCache {
  readonly #store: ObjectStore;
  /** In order of use. */
  readonly #segments = new Map<string, Segment>();
  readonly #readOnce = new Set<string>();
  #keptBytes = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** As the store's own `get`. */
  async getRange(
    key: string,
    options: GetOptions & Required<Pick<GetOptions, "range">>,
  ): Promise<Uint8Array> {
    let segment = this.#segments.get(key);
    if (!segment && !this.#readOnce.has(key)) {
      this.#note(key);
      return this.#store.get(key, options);
    }
    if (segment) this.#segments.delete(key);
    else segment = this.#fetch(key);
    this.#segments.set(key, segment);
    const bytes = await segment.bytes;
    const { offsetBytes, lengthBytes } = options.range;
    // No range of a whole segment; but an object may have grown where another writer's store has logs of its own.
    if (offsetBytes + lengthBytes > bytes.byteLength) return this.#store.get(key, options);
    const { start, end } = spanOf(options.range, bytes.byteLength);
    // A copy: who reads it may decode it to views, and write to them.
    return Uint8Array.prototype.slice.call(bytes, start, end);
  }

  #note(key: string): void {
    this.#readOnce.add(key);
    if (this.#readOnce.size > KNOWN_KEYS) this.#readOnce.delete(this.#readOnce.values().next().value!);
  }

  #fetch(key: string): Segment {
    const segment: Segment = { bytes: this.#store.get(key), sizeBytes: 0 };
    segment.bytes.then(
      (bytes) => {
        segment.sizeBytes = bytes.byteLength;
        this.#keptBytes += bytes.byteLength;
        this.#makeRoom(key);
      },
      () => this.#segments.delete(key),
    );
    return segment;
  }

  #makeRoom(keep: string): void {
    for (const [key, { sizeBytes }] of this.#segments) {
      if (this.#keptBytes <= KEPT_BYTES) return;
      if (key === keep || sizeBytes === 0) continue;
      this.#segments.delete(key);
      this.#keptBytes -= sizeBytes;
    }
  }

  /** Forgets objects that are deleted. */
  forget(keys: readonly string[]): void {
    for (const key of keys) {
      const segment = this.#segments.get(key);
      if (segment) this.#keptBytes -= segment.sizeBytes;
      this.#segments.delete(key);
      this.#readOnce.delete(key);
    }
  }
}
