/**
 * Estimates π: throws random points into a square and counts those inside the circle.
 *
 * Shows: numbers as items, captured values (`samples`) and functions, and why each task has its own seed: the result
 * is the same on every run and for any number of workers, whatever order the tasks run in.
 *
 *   npx kinglet run examples/monte-carlo-pi.ts
 *   node examples/monte-carlo-pi.ts --tasks 1000 --samples 5000000
 */
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({
  options: {
    tasks: { type: "string", default: "100" },
    samples: { type: "string", default: "1000000" },
  },
});
const tasks = Number(flags.tasks);
const samples = Number(flags.samples);

/** A seeded generator of numbers in [0, 1): mulberry32, by Tommy Ettinger, public domain. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pool = openPool();
const seeds = Array.from({ length: tasks }, (_, task) => Math.imul(task + 1, 0x9e3779b1));
const hits = await pool.map((seed) => {
  const random = randomNumbers(seed);
  let inside = 0;
  for (let i = 0; i < samples; i++) inside += random() ** 2 + random() ** 2 < 1 ? 1 : 0;
  return inside;
}, seeds);
await pool.close();

const total = tasks * samples;
const inside = hits.reduce((sum, n) => sum + n, 0);
const estimate = (4 * inside) / total;
const standardError = 4 * Math.sqrt(((inside / total) * (1 - inside / total)) / total);
console.log(`${inside} of ${total} points are inside`);
console.log(
  `π ≈ ${estimate.toFixed(6)} ± ${standardError.toFixed(6)}, off by ${Math.abs(estimate - Math.PI).toFixed(6)}`,
);
// Five standard errors: by chance this fails once in two million seeds, and these seeds are fixed.
process.exitCode = Math.abs(estimate - Math.PI) < 5 * standardError ? 0 : 1;
