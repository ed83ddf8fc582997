/** Bodies that come as streams go up to S3 in parts of so many bytes, if they have as many. */
export const STREAM_PART_BYTES = 16 * 1024 * 1024;

/** Requests of a put of a stream to S3, all of the price of a put: one, or one for each part, a beginning and an end. */
export function requestsOfStreamedPut(sizeBytes: number): number {
  return sizeBytes < STREAM_PART_BYTES ? 1 : Math.ceil(sizeBytes / STREAM_PART_BYTES) + 2;
}
