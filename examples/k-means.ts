/**
 * Finds the centres of clusters of points (k-means): each point belongs to the nearest centre, each centre is the mean of its
 * points, until no centre moves.
 *
 * Shows: `bsp` without messages, in which a vertex is a block of points in typed arrays, and what all blocks have to agree on is an aggregator.
 * Checks itself against a plain loop over all points; a centre that differs is exit code 1.
 *
 *   npx kinglet run examples/k-means.ts
 *   node examples/k-means.ts --points 5000000 --clusters 16
 */
import { parseArgs } from "node:util";
import { openPool } from "kinglet";
import { bsp } from "kinglet/dataflow";

const { values: flags } = parseArgs({
  options: {
    points: { type: "string", default: "200000" },
    clusters: { type: "string", default: "5" },
    blocks: { type: "string", default: "4" },
  },
});
const [points, clusters, blocks] = [flags.points, flags.clusters, flags.blocks].map(Number) as [
  number,
  number,
  number,
];

/** Coordinates, x and y of each point behind one another: around as many places as there are clusters. */
function pointsOf(block: number): Float64Array {
  let state = block + 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const xys = new Float64Array(2 * Math.ceil(points / blocks));
  for (let i = 0; i < xys.length; i += 2) {
    const angle = (2 * Math.PI * Math.floor(random() * clusters)) / clusters;
    xys[i] = 10 * Math.cos(angle) + random() + random() - 1;
    xys[i + 1] = 10 * Math.sin(angle) + random() + random() - 1;
  }
  return xys;
}

/** Of each cluster: the sum of its points' x and of their y, and how many they are. */
type Sums = [x: number, y: number, count: number][];
type Centres = [x: number, y: number][];

function sumsOf(xys: Float64Array, centres: Centres): Sums {
  const sums: Sums = centres.map(() => [0, 0, 0]);
  for (let i = 0; i < xys.length; i += 2) {
    let [nearest, least] = [0, Number.POSITIVE_INFINITY];
    for (let c = 0; c < centres.length; c++) {
      const distance = (xys[i]! - centres[c]![0]) ** 2 + (xys[i + 1]! - centres[c]![1]) ** 2;
      if (distance < least) [nearest, least] = [c, distance];
    }
    const sum = sums[nearest]!;
    sum[0] += xys[i]!;
    sum[1] += xys[i + 1]!;
    sum[2] += 1;
  }
  return sums;
}

const added = (a: Sums, b: Sums): Sums => a.map(([x, y, n], i) => [x + b[i]![0], y + b[i]![1], n + b[i]![2]]);
/** A cluster without points stays where nothing is. */
const centresOf = (sums: Sums): Centres => sums.map(([x, y, n]) => (n === 0 ? [0, 0] : [x / n, y / n]));

const first = pointsOf(0);
const begin: Centres = Array.from({ length: clusters }, (_, c) => [first[2 * c]!, first[2 * c + 1]!]);
const pool = openPool();
try {
  let before: Centres = begin;
  const { aggregates, supersteps, ended } = await bsp(pool, [...Array(blocks).keys()], {
    vertices: (block) => [[block, undefined, pointsOf(block)]],
    compute(block) {
      const centres = block.superstep === 0 ? begin : centresOf(block.aggregates.sums);
      block.aggregate("sums", sumsOf(block.edges, centres));
    },
    aggregators: { sums: { initial: [] as Sums, reduce: added } },
    until({ sums }) {
      const centres = centresOf(sums);
      const isStill = JSON.stringify(centres) === JSON.stringify(before);
      before = centres;
      return isStill;
    },
    maxSupersteps: 100,
    partitions: blocks,
    partition: (block) => block,
  });
  const found = centresOf(aggregates.sums);
  console.log(
    `${clusters} centres of ${blocks * (first.length / 2)} points, ${supersteps} supersteps, ended: ${ended}`,
  );
  for (const [x, y] of found) console.log(x.toFixed(3).padStart(8), y.toFixed(3).padStart(8));

  let plain = begin;
  for (let step = 0; step < supersteps; step++) {
    plain = centresOf([...Array(blocks).keys()].map((block) => sumsOf(pointsOf(block), plain)).reduce(added));
  }
  const off = Math.max(...found.flat().map((n, i) => Math.abs(n - plain.flat()[i]!)));
  console.log(off < 1e-9 ? "check: the same as a plain loop" : `check: FAILED, off by ${off}`);
  process.exitCode = off < 1e-9 ? 0 : 1;
} finally {
  await pool.close();
}
