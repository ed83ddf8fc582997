/**
 * Requests and bytes by status in one big access log, a task for each slice of the file.
 *
 * Shows: `pool.slices` (a big file in parts, of which no line is cut; each task reads its own part, line by line, in
 * bounded memory), small results from big inputs, and a reduce in the driver.
 * The log is written first, at random but for its seed. At the end the same is counted by one thread, another way; a
 * difference is exit code 1.
 *
 *   npx kinglet run examples/log-count.ts --megabytes 1000
 *   node examples/log-count.ts --megabytes 20 --slice-kilobytes 500
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: "string", default: "64" },
    "slice-kilobytes": { type: "string", default: "8000" },
  },
});

interface Count {
  requests: number;
  bytes: number;
}

const folder = mkdtempSync(path.join(tmpdir(), "kinglet-log-count-"));
const log = path.join(folder, "access.log");
const logBytes = writeLog(log, Number(flags.megabytes) * 1e6);

const pool = openPool();
const total = new Map<string, Count>();
let slices = 0;
const counted = pool.map(
  async (slice) => {
    const counts = new Map<string, Count>();
    for await (const line of slice.lines()) {
      const [, , status, bytes] = line.split(" ");
      add(counts, status!, 1, Number(bytes));
    }
    return counts;
  },
  pool.slices(log, { sliceBytes: Number(flags["slice-kilobytes"]) * 1000 }),
);
for await (const counts of counted) {
  slices++;
  for (const [status, { requests, bytes }] of counts) add(total, status, requests, bytes);
}
await pool.close();

const expected = countByOneThread();
rmSync(folder, { recursive: true });
console.log(`${(logBytes / 1e6).toFixed(1)} MB of log in ${slices} slices`);
for (const [status, { requests, bytes }] of [...total].sort()) {
  console.log(`${status}  ${String(requests).padStart(10)} requests  ${String(bytes).padStart(14)} bytes`);
}
const isSame = JSON.stringify([...total].sort()) === JSON.stringify([...expected].sort());
console.log(isSame ? "check: the same as a plain count of the whole file" : "check: FAILED");
process.exitCode = isSame ? 0 : 1;

function add(counts: Map<string, Count>, status: string, requests: number, bytes: number): void {
  const count = counts.get(status);
  if (count) {
    count.requests += requests;
    count.bytes += bytes;
  } else counts.set(status, { requests, bytes });
}

/** Lines of 20 to 2,000 bytes: `<n> /<path> <status> <bytes>`. The last one has no line break. */
function writeLog(file: string, sizeBytes: number): number {
  const statuses = ["200", "200", "200", "206", "304", "404", "500"];
  const output = openSync(file, "w");
  let seed = 42;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let written = 0;
  let lines: string[] = [];
  for (let n = 0; written < sizeBytes; n++) {
    const name = "x".repeat(random(100) === 0 ? random(2000) : random(60));
    lines.push(`${n} /${name} ${statuses[random(statuses.length)]} ${random(1_000_000)}`);
    if (lines.length < 10_000 && written + lines.length * 50 < sizeBytes) continue;
    written += writeSync(output, `${written > 0 ? "\n" : ""}${lines.join("\n")}`);
    lines = [];
  }
  closeSync(output);
  return written;
}

/** The independent count: the whole file as one text, and a regular expression in place of lines. */
function countByOneThread(): Map<string, Count> {
  const counts = new Map<string, Count>();
  for (const [, status, bytes] of readFileSync(log, "latin1").matchAll(/ (\d{3}) (\d+)$/gm)) {
    add(counts, status!, 1, Number(bytes));
  }
  return counts;
}
