export const BIG_BYTES = 300_000;

/** Bytes that tell which body they are of. */
export function bodyOf(number: number, sizeBytes: number): Uint8Array {
  return new Uint8Array(sizeBytes).fill(number);
}
