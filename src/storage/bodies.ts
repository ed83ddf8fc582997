import type { GetOptions, PutBody } from "./contract.ts";

/** The chunks of a body that is already in memory, or undefined for a stream. */
export function chunksInMemory(body: PutBody): readonly Uint8Array[] | undefined {
  if (body instanceof Uint8Array) return [body];
  return Array.isArray(body) ? (body as readonly Uint8Array[]) : undefined;
}

/** The chunks of any body; of a stream, copies. */
export async function allChunks(body: PutBody, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
  const inMemory = chunksInMemory(body);
  if (inMemory !== undefined) return inMemory;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    signal?.throwIfAborted();
    chunks.push(chunk.slice());
  }
  return chunks;
}

export function join(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(sizeOf(chunks));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

export function sizeOf(chunks: readonly Uint8Array[]): number {
  let sizeBytes = 0;
  for (const chunk of chunks) sizeBytes += chunk.byteLength;
  return sizeBytes;
}

/** The bytes `[start, end)` that `range` means in an object of `sizeBytes`: cut short at its end. */
export function spanOf(range: GetOptions["range"], sizeBytes: number): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: sizeBytes };
  const { offsetBytes, lengthBytes } = range;
  if (!(offsetBytes >= 0) || !(lengthBytes >= 0)) {
    throw new RangeError(`a range of ${lengthBytes} bytes from byte ${offsetBytes} doesn't exist`);
  }
  const start = Math.min(offsetBytes, sizeBytes);
  return { start, end: Math.min(start + lengthBytes, sizeBytes) };
}
