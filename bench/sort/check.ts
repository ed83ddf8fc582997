import { crc32 } from "node:zlib";
import { KEY_BYTES, RECORD_BYTES } from "./records.ts";

/** What valsort tells of sorted records: how many, the sum of their checksums, and how many are below the one before. */
export interface Summary {
  readonly count: number;
  readonly checksum: number;
  readonly outOfOrder: number;
}

export async function summaryOf(chunks: AsyncIterable<Uint8Array>): Promise<Summary> {
  let [count, checksum, outOfOrder] = [0, 0, 0];
  let last = Buffer.alloc(KEY_BYTES);
  let held = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    let at = 0;
    for (; at + RECORD_BYTES <= held.length; at += RECORD_BYTES) {
      const key = held.subarray(at, at + KEY_BYTES);
      if (count > 0 && key.compare(last) < 0) outOfOrder++;
      last = key;
      checksum = (checksum + crc32(held.subarray(at, at + RECORD_BYTES))) % 2 ** 48;
      count++;
    }
    last = Buffer.from(last);
    held = held.subarray(at);
  }
  return { count, checksum, outOfOrder: outOfOrder + held.length };
}
