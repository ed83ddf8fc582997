// Measures the layer itself: the sources of src/capture, without a pool around them.
import v8 from "node:v8";
import { captureFunction, restoreFunction } from "../../src/capture/index.ts";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { medianOf } from "../lib/statistics.ts";

const REPEATS = 5;
const { objects } = sampleArgument<{ objects: number }>();
const options = { width: 64, format: "webp" };

function clamp(value: number, limit: number): number {
  return Math.min(value, limit);
}

/** A closure as in a user's script: a captured number, a captured object, a function of the file. */
const makeClosure = (factor: number) => (x: number) => clamp(x * factor, options.width);

const firstMs = timed(() => captureFunction(makeClosure(0)));
for (let i = 1; i <= 20; i++) captureFunction(makeClosure(i));
const warmMs = medianOf(
  Array.from({ length: 50 }, (_, i) => timed(() => captureFunction(makeClosure(100 + i)))),
);
const same = makeClosure(7);
const sameMs = medianOf(Array.from({ length: 50 }, () => timed(() => captureFunction(same))));

const rows = Array.from({ length: objects }, (_, id) => ({
  id,
  name: `row ${id}`,
  score: id / 3,
  active: id % 2 === 0,
}));
const sumOfScores = () => rows.reduce((sum, row) => sum + row.score, 0);
const times = {
  bigMs: [] as number[],
  serializeMs: [] as number[],
  bigBackMs: [] as number[],
  deserializeMs: [] as number[],
};
for (let i = 0; i < REPEATS; i++) {
  const serializedAt = performance.now();
  const plain = v8.serialize(rows);
  const capturedAt = performance.now();
  const captured = captureFunction(sumOfScores);
  const restoredAt = performance.now();
  const restored = (await restoreFunction(captured.bytes)).instance();
  const deserializedAt = performance.now();
  v8.deserialize(plain);
  const endedAt = performance.now();
  times.serializeMs.push(capturedAt - serializedAt);
  times.bigMs.push(restoredAt - capturedAt);
  times.bigBackMs.push(deserializedAt - restoredAt);
  times.deserializeMs.push(endedAt - deserializedAt);
  if (restored.call() !== sumOfScores()) throw new Error("the captured function gives another sum");
}

report({
  firstMs,
  warmMs,
  sameMs,
  bigMs: medianOf(times.bigMs),
  serializeMs: medianOf(times.serializeMs),
  bigBackMs: medianOf(times.bigBackMs),
  deserializeMs: medianOf(times.deserializeMs),
});

function timed(action: () => unknown): number {
  const startedAtMs = performance.now();
  action();
  return performance.now() - startedAtMs;
}
