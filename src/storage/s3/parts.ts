/**
 * A stream's bytes in parts of exactly `partBytes`, the last one shorter; one empty part of an empty stream. Copies, since
 * a stream may use its buffers again.
 */
export async function* partsOf(
  stream: AsyncIterable<Uint8Array>,
  partBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array[], void> {
  let part = new Uint8Array(Math.min(partBytes, FIRST_BYTES));
  let filledBytes = 0;
  let parts = 0;
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.byteLength; ) {
      const piece = chunk.subarray(at, at + partBytes - filledBytes);
      if (filledBytes + piece.byteLength > part.byteLength) {
        part = grown(part, filledBytes, Math.min(partBytes, 2 * (filledBytes + piece.byteLength)));
      }
      part.set(piece, filledBytes);
      filledBytes += piece.byteLength;
      at += piece.byteLength;
      if (filledBytes < partBytes) continue;
      yield [part];
      parts += 1;
      part = new Uint8Array(partBytes);
      filledBytes = 0;
    }
  }
  if (filledBytes > 0 || parts === 0) yield [part.subarray(0, filledBytes)];
}

/** Most streams are short. */
const FIRST_BYTES = 64 * 1024;

function grown(
  bytes: Uint8Array<ArrayBuffer>,
  filledBytes: number,
  sizeBytes: number,
): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(sizeBytes);
  larger.set(bytes.subarray(0, filledBytes));
  return larger;
}

/** A list of chunks in parts of `partBytes`, without copying. */
export function* slicesOf(chunks: readonly Uint8Array[], partBytes: number): Generator<Uint8Array[], void> {
  let part: Uint8Array[] = [];
  let filledBytes = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      const piece = chunk.subarray(at, at + partBytes - filledBytes);
      part.push(piece);
      filledBytes += piece.byteLength;
      at += piece.byteLength;
      if (filledBytes < partBytes) continue;
      yield part;
      part = [];
      filledBytes = 0;
    }
  }
  if (part.length > 0) yield part;
}
