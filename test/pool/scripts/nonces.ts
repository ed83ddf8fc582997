// A driver: maps over numbers to values that differ each time a task runs, and prints each outcome as soon as it sees it.
import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { openPool } from "../../../src/index.ts";

const [storage, count, batch] = process.argv.slice(2);
process.env.KILL_ARMED = "1";
const pool = openPool({ storage: storage!, concurrency: 2 });
const job = pool.map(
  (n) => `${n}:${randomUUID()}`,
  Array.from({ length: Number(count) }, (_, i) => i),
  batch ? { batch: Number(batch) } : {},
);
for await (const { index, value } of job.completed()) writeSync(1, `${index} ${value}\n`);
await pool.close();
writeSync(1, "end\n");
