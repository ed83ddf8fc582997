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
// The first tenth isn't timed: it has the function's capture, upload and load in it.
const untimed = n / 10;

const pool = openPool({ concurrency: workers, logs: false });
const startedAtMs = performance.now();
await pool.map(fn, Array(n).keys());
const firstMapMs = performance.now() - startedAtMs;
const timesUs: number[] = [];
for (let repeat = 0; repeat < 3; repeat++) timesUs.push(await taskTimeUs());
await pool.close();
report({ taskUs: medianOf(timesUs), firstMapMs });

async function taskTimeUs(): Promise<number> {
  let [done, timedFromMs] = [0, 0];
  for await (const { index, value } of pool.map(fn, Array(n).keys()).completed()) {
    if (value !== index + 1) throw new Error("wrong result");
    if (++done === untimed) timedFromMs = performance.now();
  }
  return ((performance.now() - timedFromMs) * 1000) / (n - untimed);
}
