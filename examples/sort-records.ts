/**
 * Sorts records of 100 bytes by their first 10, as the sort benchmarks have them (gensort), and checks the result as valsort does:
 * the number of records, the sum of their checksums, and the total order, within and between the objects.
 *
 * Shows: `sort` of more than a task's memory holds, its output as objects of the store, a check that is itself a `map` with a
 * `gather`. A wrong order or checksum is exit code 1.
 *
 *   node examples/sort-records.ts --megabytes 200 --partitions 8
 */
import { randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { openPool } from "kinglet";
import { gather, sort } from "kinglet/dataflow";

const RECORD_BYTES = 100;
const KEY_BYTES = 10;
const { values: flags } = parseArgs({
  options: { megabytes: { type: "string", default: "50" }, partitions: { type: "string", default: "4" } },
});
const count = Number(flags.megabytes) * 10_000;

interface Summary {
  count: number;
  /** Sum of the records' checksums, which no order changes. */
  checksum: bigint;
  outOfOrder: number;
  first: string;
  last: string;
}

async function summaryOf(chunks: AsyncIterable<Uint8Array>): Promise<Summary> {
  const summary: Summary = { count: 0, checksum: 0n, outOfOrder: 0, first: "", last: "" };
  let held = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = Buffer.concat([held, chunk]);
    let at = 0;
    for (; at + RECORD_BYTES <= held.length; at += RECORD_BYTES) {
      const key = held.toString("latin1", at, at + KEY_BYTES);
      if (summary.count++ === 0) summary.first = key;
      if (key < summary.last) summary.outOfOrder++;
      summary.last = key;
      summary.checksum += BigInt(crc32(held.subarray(at, at + RECORD_BYTES)));
    }
    held = held.subarray(at);
  }
  return summary;
}

const folder = mkdtempSync(path.join(tmpdir(), "kinglet-sort-"));
const file = path.join(folder, "records.dat");
const pool = openPool();
try {
  writeRecords(file);
  const parts = await sort(pool, file, {
    recordBytes: RECORD_BYTES,
    keyBytes: KEY_BYTES,
    memoryMb: 64,
    partitions: Number(flags.partitions),
    output: { objects: "sorted" },
  });
  const input = pool.map(
    (slice) => summaryOf(slice.stream()),
    pool.slices(file, { recordBytes: RECORD_BYTES }),
  );
  const output = pool.map((part) => summaryOf(part.stream()), parts);
  const before = await gather(pool, input, united);
  const after = await gather(pool, output, united);
  console.log(`${after.count} records in ${parts.length} objects, ${after.outOfOrder} out of order`);
  const isRight =
    after.outOfOrder === 0 && after.count === before.count && after.checksum === before.checksum;
  console.log(isRight ? `check: the same records, checksum ${after.checksum.toString(16)}` : "check: FAILED");
  process.exitCode = isRight ? 0 : 1;
  await pool.store.delete(...parts.map(({ key }) => key));
} finally {
  await pool.close();
  rmSync(folder, { recursive: true });
}

/** The summary of all parts, one behind the other. */
async function united(parts: AsyncIterable<Summary>): Promise<Summary> {
  const all: Summary = { count: 0, checksum: 0n, outOfOrder: 0, first: "", last: "" };
  for await (const part of parts) {
    if (part.count === 0) continue;
    if (part.first < all.last) all.outOfOrder++;
    all.last = part.last;
    all.outOfOrder += part.outOfOrder;
    all.count += part.count;
    all.checksum += part.checksum;
  }
  return all;
}

function writeRecords(to: string): void {
  const fd = openSync(to, "w", 0o600);
  const piece = Buffer.alloc(RECORD_BYTES * 10_000, "payload ");
  for (let first = 0; first < count; first += 10_000) {
    for (let at = 0; at < piece.length; at += RECORD_BYTES) randomFillSync(piece, at, KEY_BYTES);
    writeSync(fd, piece);
  }
  closeSync(fd);
}
