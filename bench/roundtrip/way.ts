/** A way for an array to another process or thread and back. */
export interface Way {
  trip(array: Float64Array): Promise<Float64Array>;
  close(): Promise<void>;
}

export const bytesOf = (array: Float64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export const arrayOf = (bytes: Uint8Array): Float64Array =>
  new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
