import { writeFileSync } from "node:fs";
import path from "node:path";
import { seededRandom } from "../../src/clock.ts";
import { temporaryFolder } from "../support/pools.ts";

/** Records of 8 bytes: a key of 4, and a number that tells them apart within their file. */
export function recordsOf(count: number, seed: number, different = 2 ** 32): Buffer {
  const random = seededRandom(seed);
  const records = Buffer.alloc(8 * count);
  for (let i = 0; i < count; i++) {
    records.writeUInt32BE(Math.floor(random() * different), 8 * i);
    records.writeUInt32BE(i, 8 * i + 4);
  }
  return records;
}

/** Files of so many records each. */
export function recordFiles(counts: readonly number[], seed: number, different?: number) {
  const folder = temporaryFolder();
  const contents = counts.map((count, i) => recordsOf(count, seed + i, different));
  const files = contents.map((content, i) => {
    const file = path.join(folder, `records-${i}`);
    writeFileSync(file, content);
    return file;
  });
  return { files, contents };
}

/** All records, by their keys; equal ones as they came. */
export function sortedRecords(contents: readonly Buffer[]): Buffer {
  const records = contents.flatMap((some) =>
    Array.from({ length: some.length / 8 }, (_, i) => some.subarray(8 * i, 8 * i + 8)),
  );
  return Buffer.concat(records.sort((a, b) => a.compare(b, 0, 4, 0, 4)));
}
