/**
 * A hyper-parameter sweep: trains one logistic regression for every pair of a learning rate and a penalty, and keeps
 * the one with the lowest loss on data that it hasn't seen.
 *
 * Shows: `pool.broadcast` (the data set is stored once and loaded once a worker, not once a task), objects as items,
 * typed results.
 *
 *   npx kinglet run examples/sweep.ts
 *   node examples/sweep.ts --rows 20000 --epochs 300
 */
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "4000" },
    epochs: { type: "string", default: "100" },
  },
});
const epochs = Number(flags.epochs);
const features = 20;

/** `x`: rows × features, row by row; `y`: 0 or 1 a row. */
type DataSet = { x: Float64Array; y: Uint8Array };

const probability = (score: number): number => 1 / (1 + Math.exp(-score));

function scoreOf(data: DataSet, row: number, weights: Float64Array): number {
  let score = 0;
  for (let j = 0; j < features; j++) score += data.x[row * features + j]! * weights[j]!;
  return score;
}

/** Gradient descent over the whole training set. */
function train(data: DataSet, learningRate: number, penalty: number): Float64Array {
  const weights = new Float64Array(features);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const gradient = weights.map((w) => w * penalty);
    for (let row = 0; row < data.y.length; row++) {
      const error = (probability(scoreOf(data, row, weights)) - data.y[row]!) / data.y.length;
      for (let j = 0; j < features; j++) gradient[j]! += error * data.x[row * features + j]!;
    }
    for (let j = 0; j < features; j++) weights[j]! -= learningRate * gradient[j]!;
  }
  return weights;
}

/** Mean log loss and the share of rows that are classified right. */
function evaluate(data: DataSet, weights: Float64Array): { loss: number; accuracy: number } {
  let [loss, right] = [0, 0];
  data.y.forEach((label, row) => {
    const p = Math.min(Math.max(probability(scoreOf(data, row, weights)), 1e-12), 1 - 1e-12);
    loss -= label === 1 ? Math.log(p) : Math.log(1 - p);
    right += p > 0.5 === (label === 1) ? 1 : 0;
  });
  return { loss: loss / data.y.length, accuracy: right / data.y.length };
}

const pool = openPool();
const training = pool.broadcast(makeData(Number(flags.rows), 1));
const validation = pool.broadcast(makeData(Number(flags.rows) / 4, 2));
const grid = [0.01, 0.1, 1, 5].flatMap((learningRate) =>
  [0, 0.001, 0.01, 0.1].map((penalty) => ({ learningRate, penalty })),
);

const results = await pool.map(({ learningRate, penalty }) => {
  const weights = train(training.value, learningRate, penalty);
  return { learningRate, penalty, ...evaluate(validation.value, weights) };
}, grid);
await pool.close();

const round = (value: number): number => Number(value.toFixed(4));
console.table(
  results.map(({ loss, accuracy, ...at }) => ({ ...at, loss: round(loss), accuracy: round(accuracy) })),
);
const best = results.reduce((a, b) => (b.loss < a.loss ? b : a));
console.log(`best: learning rate ${best.learningRate}, penalty ${best.penalty}, loss ${round(best.loss)}`);

/** Points around a hidden plane, with noise; the plane is the same for every seed. */
function makeData(rows: number, seed: number): DataSet {
  let state = seed;
  const uniform = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const x = Float64Array.from({ length: rows * features }, normal);
  const plane = Float64Array.from({ length: features }, (_, j) => (j % 3 === 0 ? 1.5 / (j + 1) : 0));
  const data = { x, y: new Uint8Array(rows) };
  for (const row of data.y.keys()) data.y[row] = scoreOf(data, row, plane) + 0.5 * normal() > 0 ? 1 : 0;
  return data;
}
