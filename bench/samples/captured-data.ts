import { openPool } from "kinglet";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { medianOf } from "../lib/statistics.ts";

const { n, workers, objects } = sampleArgument<{ n: number; workers: number; objects: number }>();
const rows = Array.from({ length: objects }, (_, id) => ({
  id,
  name: `row ${id}`,
  score: id / 3,
  active: id % 2 === 0,
}));
const plain = (x: number) => x + 1;
const reading = (x: number) => (rows[x % rows.length]!.id === x % rows.length ? x + 1 : -1);
const fn = objects === 0 ? plain : reading;
const few = n / 10;

const pool = openPool({ concurrency: workers, logs: false });
const firstMapMs = await timeOf(few);
const slopesUs: number[] = [];
for (let repeat = 0; repeat < 3; repeat++) {
  const [fewMs, manyMs] = [await timeOf(few), await timeOf(n)];
  slopesUs.push(((manyMs - fewMs) * 1000) / (n - few));
}
await pool.close();
report({ taskUs: medianOf(slopesUs), firstMapMs });

async function timeOf(tasks: number): Promise<number> {
  const items = Array.from({ length: tasks }, (_, i) => i);
  const startedAtMs = performance.now();
  const results = await pool.map(fn, items);
  const elapsedMs = performance.now() - startedAtMs;
  if (results.some((value, i) => value !== i + 1)) throw new Error("wrong results");
  return elapsedMs;
}
