import type { Encode } from "./blocks.ts";

const SAMPLE_EVERY = 64;

/** About how many bytes values take: exact for plain ones, for others as one of 64 is encoded. */
export class SizeEstimate {
  readonly #encode: Encode;
  #seen = 0;
  #objectBytes = 0;

  constructor(encode: Encode) {
    this.#encode = encode;
  }

  of(value: unknown): number {
    switch (typeof value) {
      case "number":
        return 8;
      case "string":
        return 16 + value.length;
      case "object":
        if (value === null) return 8;
        if (ArrayBuffer.isView(value)) return 64 + value.byteLength;
        return this.#ofObject(value);
      default:
        return 16;
    }
  }

  #ofObject(value: object): number {
    if (this.#seen++ % SAMPLE_EVERY === 0) {
      // In memory an object takes about twice what it takes encoded.
      const sizeBytes = 2 * this.#encode(value).length;
      this.#objectBytes =
        this.#seen === 1 ? sizeBytes : Math.max(sizeBytes, 0.5 * (this.#objectBytes + sizeBytes));
    }
    return this.#objectBytes;
  }
}

/** What of a value's size may grow as values are combined, about: texts, bytes, members. */
export function growthOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return 8 * value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (value instanceof Map || value instanceof Set) return 40 * value.size;
  return 0;
}
