import { describe, expect, it } from "vitest";
import { onEveryStore } from "../support/job-stores.ts";
import { rejection, testPool } from "../support/pools.ts";

onEveryStore(() => {
  describe("futures and jobs as inputs", () => {
    it("a future as an item, as an input, and among plain items", async () => {
      const pool = testPool();
      const base = pool.run(() => 40);
      expect(await pool.run((n) => n + 2, base)).toBe(42);
      expect(await pool.map((n) => n + 1, [base, 1, base])).toEqual([41, 2, 41]);
    });

    it("a job as items: element by element", async () => {
      const pool = testPool();
      const squares = pool.map(
        (n) => n * n,
        Array.from({ length: 2000 }, (_, i) => i),
      );
      const plusOne = pool.map((n) => n + 1, squares);
      expect((await plusOne)[1999]).toBe(1999 * 1999 + 1);
    });

    it("a job as run's input: its whole array", async () => {
      const pool = testPool();
      const parts = pool.map(
        (n) => n * 2,
        Array.from({ length: 1000 }, (_, i) => i),
      );
      expect(await pool.run((all) => all.reduce((a, b) => a + b, 0), parts)).toBe(999_000);
    });

    it("a mapSettled's results arrive settled", async () => {
      const pool = testPool();
      const settled = pool.mapSettled(
        (n) => {
          if (n === 1) throw new RangeError("one");
          return n;
        },
        [0, 1],
      );
      const seen = await pool.map(
        (one) => (one.status === "fulfilled" ? `ok ${one.value}` : one.reason.message),
        settled,
      );
      expect(seen).toEqual(["ok 0", "one"]);
    });

    it("big values go from store to worker", async () => {
      const pool = testPool();
      const big = pool.run(() => new Uint8Array(300_000).fill(7));
      expect(await pool.run((bytes) => bytes.length + bytes[299_999]!, big)).toBe(300_007);
    });

    it("an upstream failure fails what depends on it, and says so", async () => {
      const pool = testPool();
      const bad = pool.run((): number => {
        throw new Error("no data");
      });
      const error = await rejection(pool.run((n) => n, bad));
      expect(error).toMatchObject({ code: "UPSTREAM_FAILED" });
      expect(await rejection(bad)).toMatchObject({ message: "no data" });
      const badJob = pool.map(
        (n: number): number => {
          throw new Error(`no data ${n}`);
        },
        [1],
      );
      expect(await rejection(pool.map((n) => n, badJob))).toMatchObject({ code: "UPSTREAM_FAILED" });
    });

    it("in mapSettled only the tasks whose future failed fail", async () => {
      const pool = testPool();
      const bad = pool.run((): number => {
        throw new Error("no data");
      });
      const good = pool.run(() => 1);
      const settled = await pool.mapSettled((n) => n, [good, bad, good]);
      expect(settled.map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect((settled[1] as PromiseRejectedResult).reason).toMatchObject({ code: "UPSTREAM_FAILED" });
    });
  });

  describe("maps inside maps", () => {
    it("run, and their results come back to the task", async () => {
      const pool = testPool();
      const sums = await pool.map(
        async (n, ctx) => {
          const squares = await ctx.pool.map(
            (k) => k * k,
            Array.from({ length: n }, (_, i) => i),
          );
          return squares.reduce((a, b) => a + b, 0);
        },
        [3, 4, 5],
      );
      expect(sums).toEqual([5, 14, 30]);
    });

    it("can't deadlock: more parents than slots, three levels deep", async () => {
      const pool = testPool();
      const totals = await pool.map(
        async (n, ctx) => {
          const inner = await ctx.pool.map(
            async (m, inner) => {
              const leaves = await inner.pool.map((leaf) => leaf + m, [1, 2]);
              return leaves[0]! + leaves[1]!;
            },
            [n, n + 1],
          );
          return inner[0]! + inner[1]!;
        },
        [10, 20, 30, 40, 50, 60],
      );
      expect(totals).toEqual([10, 20, 30, 40, 50, 60].map((n) => 2 * n + 3 + 2 * (n + 1) + 3));
    });

    it("take futures and jobs of the same task", async () => {
      const pool = testPool();
      const seen = await pool.run(async (_input: undefined, ctx) => {
        const five = ctx.pool.run(() => 5, undefined);
        const doubled = ctx.pool.map((n) => n * 2, [1, 2]);
        return [await ctx.pool.run((n) => n + 1, five), await ctx.pool.map((n) => n + 1, doubled)];
      }, undefined);
      expect(seen).toEqual([6, [3, 5]]);
    });

    it("an error of the inner job reaches the task as its own class", async () => {
      const pool = testPool();
      const caught = await pool.run(async (_input: undefined, ctx) => {
        try {
          await ctx.pool.map(() => {
            throw new RangeError("inner");
          }, [1]);
          return "nothing";
        } catch (error) {
          return error instanceof RangeError ? error.message : `wrong: ${error}`;
        }
      }, undefined);
      expect(caught).toBe("inner");
    });

    it("are named by the user's own lines, in stacks and in errors of capture, however deep they are", async () => {
      const pool = testPool();
      const seen = await pool.run(async (_input: undefined, ctx) => {
        return ctx.pool.run(async (_inner: undefined, inner) => {
          const timer = setTimeout(() => {}, 1);
          const refused = await (async () => inner.pool.run(() => timer, 1))().catch((e) => String(e));
          clearTimeout(timer);
          const thrown = await inner.pool
            .run((): string => {
              throw new Error("innermost");
            }, 1)
            .catch((e) => String((e as Error).stack));
          return { refused, thrown };
        }, undefined);
      }, undefined);
      expect(seen.refused).toMatch(/captured by \(anonymous\) {2}\S*dataflow\.test\.ts:\d+:\d+/);
      expect(seen.thrown).toMatch(/at .*dataflow\.test\.ts:\d+:\d+/);
      expect(seen.refused + seen.thrown).not.toContain("kinglet:");
    });

    it("a recursion without an end is an error", async () => {
      const pool = testPool();
      const error = await rejection(
        pool.run(async function deeper(n: number, ctx): Promise<unknown> {
          return ctx.pool.run(deeper as never, n + 1);
        }, 0),
      );
      expect(error).toMatchObject({ code: "TOO_DEEP" });
    });
  });
});
