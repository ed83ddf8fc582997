import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { gather, treeReduce } from "../../src/dataflow/index.ts";
import { rejection, testPool } from "../support/pools.ts";
import { collect, sharedPool } from "./shared-pool.ts";

const { pool, close } = sharedPool();
afterAll(close);

const numbers = [...Array(50).keys()];

describe("gather", () => {
  it("reduces a job's results in order: in a worker, in this process, on a pool of another store", async () => {
    const joined = async (values: AsyncIterable<number>) => {
      const all: number[] = [];
      for await (const value of values) all.push(value);
      return { all, pid: process.pid };
    };
    const other = testPool();
    const results = await Promise.all(
      [{}, { on: "driver" as const }, { on: other }, { on: pool.with({ timeoutMs: 60_000 }) }].map(
        (options) =>
        gather(pool, pool.map((n) => n * n, numbers), joined, options), // biome-ignore format: one call
      ),
    );
    for (const { all } of results) expect(all).toEqual(numbers.map((n) => n * n));
    expect(results.map(({ pid }) => pid === process.pid)).toEqual([false, true, false, false]);
  });

  it("gets values here as they are committed: it can end an endless job", async () => {
    function* endless() {
      for (let n = 0; ; n++) yield n;
    }
    const job = pool.map((n) => n, endless());
    const first = await gather(pool, job, async (values) => {
      for await (const value of values) if (value === 20) return value;
      return -1;
    }, { on: "driver" }); // biome-ignore format: one call
    expect(first).toBe(20);
  });

  it("rejects with what the job or the reduce throws, and for wrong options", async () => {
    const failing = () => {
      throw new RangeError("no");
    };
    expect(
      await rejection(
        gather(
          pool,
          pool.map((n) => n, [1]),
          failing,
        ),
      ),
    ).toBeInstanceOf(RangeError);
    expect((await rejection(gather(pool, pool.map(failing, [1]), collect))).message).toContain("failed");
    const wrong = gather(
      pool,
      pool.map((n) => n, [1]),
      collect,
      { on: "here" } as never,
    );
    expect((await rejection(wrong)).code).toBe("BAD_OPTION");
  });
});

describe("treeReduce", () => {
  it("gives what a plain reduce gives, in order, for any number of values and fan-in", async () => {
    const text = fc.array(fc.string(), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 2, max: 9 }), async (values, fanIn) => {
        expect(await treeReduce(pool, values, (a, b) => a + b, { fanIn })).toBe(values.join(""));
      }),
      { numRuns: 6 },
    );
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("takes a job, and values that aren't plain", async () => {
    const job = pool.map((n) => new Map([[n % 3, n]]), numbers);
    const sums = await treeReduce(pool, job, (a, b) => {
      for (const [key, value] of b) a.set(key, (a.get(key) ?? 0) + value);
      return a;
    });
    expect([...sums].sort(([a], [b]) => a - b)).toEqual([[0, 408], [1, 425], [2, 392]]); // biome-ignore format: a table
  });

  it("says that there is nothing to reduce", async () => {
    expect((await rejection(treeReduce(pool, [] as number[], Math.max))).code).toBe("BAD_ARGUMENT");
  });
});
