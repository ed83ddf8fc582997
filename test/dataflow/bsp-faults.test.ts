import { afterAll, beforeAll, expect, it } from "vitest";
import { bsp, type SuperstepReport } from "../../src/dataflow/index.ts";
import type { HttpFault } from "../services/fault-proxy.ts";
import { describeWith } from "../services/services.ts";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { testPool } from "../support/pools.ts";
import { s3Url, testProxy, useCredentials } from "../support/remote.ts";

/** About every eighth request goes wrong. */
const RATES: Readonly<Record<HttpFault, number>> = {
  resetBefore: 0.03,
  resetAfter: 0.03,
  slowDown: 0.01,
  truncated: 0.02,
  slowBody: 0.01,
  stall: 0.005,
  reordered: 0.01,
  corrupted: 0.01,
  corruptedUpload: 0.02,
};
const COUNT = 40;
const linksOf = (id: number) => [(id * 7 + 1) % COUNT, (id * 3 + 2) % COUNT, (id + 1) % COUNT];

/** How many ways of so many steps lead to each vertex. */
function waysAfter(steps: number): [number, number][] {
  let ways = new Array<number>(COUNT).fill(1);
  for (let step = 0; step < steps; step++) {
    const next = new Array<number>(COUNT).fill(0);
    for (const [id, count] of ways.entries()) for (const to of linksOf(id)) next[to]! += count;
    ways = next;
  }
  return ways.map((count, id) => [id, count]);
}

describeWith("s3", "supersteps whose requests go wrong on the wire", (s3) => {
  let restore: () => void;
  let bucket: string;
  const firstSeed = Number(process.env["KINGLET_TEST_SEED"] ?? Date.now() % 1_000_000);
  beforeAll(async () => {
    restore = useCredentials(s3());
    bucket = await s3().makeBucket();
  });
  afterAll(() => restore?.());

  it.each(Array.from({ length: amount({ short: 1, long: 5 }) }, (_, i) => firstSeed + i))(
    "give what they give without faults, with workers that die as well (KINGLET_TEST_SEED=%d)",
    MUCH,
    async (seed) => {
      const proxy = await testProxy({
        ...{ target: s3().endpoint, seed, rates: RATES, stallMs: 300, holdMs: 50, longestBurst: 3 },
      });
      const storage = s3Url(bucket, `run-${seed}`, { endpoint: proxy.endpoint, region: s3().region });
      const pool = testPool({ storage });
      const reports: SuperstepReport[] = [];
      const { vertices, supersteps } = await bsp(pool, [...Array(COUNT).keys()], {
        vertices: (id) => [[id, 1, linksOf(id)]],
        compute(vertex, ways: readonly number[], ctx) {
          if (vertex.superstep === seed % 4 && vertex.id === 7 && ctx.attempt === 1) process.exit(3);
          if (vertex.superstep > 0) vertex.state = ways.reduce((sum, count) => sum + count, 0);
          for (const to of vertex.edges) vertex.send(to, vertex.state);
        },
        combine: (a, b) => a + b,
        maxSupersteps: 4,
        partitions: 3,
        onSuperstep: (report) => reports.push(report),
      });
      expect(vertices.toSorted(([a], [b]) => a - b)).toEqual(waysAfter(3));
      expect(supersteps).toBe(4);
      expect(reports.map(({ puts }) => puts)).toEqual([3, 3, 3, 3]);
      expect(Object.values(proxy.counts).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    },
  );
});
