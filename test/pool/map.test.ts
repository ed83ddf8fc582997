import { describe, expect, it } from "vitest";
import { onEveryStore } from "../support/job-stores.ts";
import { rejection, testPool } from "../support/pools.ts";

class RateError extends Error {
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "RateError";
    this.retryAfterMs = retryAfterMs;
  }
}

onEveryStore(() => {
  describe("pool.map", () => {
    it("gives the results in the order of the items", async () => {
      const pool = testPool();
      const factor = 3;
      expect(await pool.map((n) => n * factor, [5, 1, 4])).toEqual([15, 3, 12]);
    });

    it("takes any iterable: sets, generators, typed arrays, maps, async iterables, nothing at all", async () => {
      const pool = testPool();
      function* three() {
        yield 1;
        yield 2;
        yield 3;
      }
      async function* later() {
        yield "a";
        yield "b";
      }
      expect(await pool.map((n) => n + 1, new Set([1, 2]))).toEqual([2, 3]);
      expect(await pool.map((n) => n + 1, three())).toEqual([2, 3, 4]);
      expect(await pool.map((n) => n + 1, Uint8Array.of(7, 8))).toEqual([8, 9]);
      expect(await pool.map(([k, v]) => k + v, new Map([["x", 1]]))).toEqual(["x1"]);
      expect(await pool.map((s) => s.toUpperCase(), later())).toEqual(["A", "B"]);
      expect(await pool.map((n: number) => n, [])).toEqual([]);
    });

    it("awaits async functions, and gives them the task's context", async () => {
      const pool = testPool();
      const seen = await pool.map(async (item, ctx) => [item, ctx.index, ctx.signal.aborted], ["a", "b"]);
      expect(seen).toEqual([
        ["a", 0, false],
        ["b", 1, false],
      ]);
    });

    it("runs 10,000 tasks, each once", async () => {
      const pool = testPool();
      const results = await pool.map(
        (n) => n * 2,
        Array.from({ length: 10_000 }, (_, i) => i),
      );
      expect(results).toHaveLength(10_000);
      expect(results.every((value, i) => value === 2 * i)).toBe(true);
    });

    it("rejects with the user's own error: class, cause, code, own properties, and which task it was", async () => {
      const pool = testPool();
      const error = await rejection(
        pool.map(
          (n) => {
            if (n === 3) throw new RateError("slow down", 250, { cause: new TypeError("429") });
            return n;
          },
          [1, 2, 3, 4],
        ),
      );
      expect(error).toBeInstanceOf(RateError);
      expect(error).toMatchObject({ message: "slow down", retryAfterMs: 250 });
      expect(error.cause).toBeInstanceOf(TypeError);
      expect(error.task).toMatchObject({ index: 2 });
      expect(error.stack).toMatch(/map\.test\.ts:\d+/);
    });

    it("keeps values that are thrown and are no errors", async () => {
      const pool = testPool();
      const fail = () => {
        throw { reason: "plain" };
      };
      expect(await rejection(pool.map(fail, [1]))).toEqual({ reason: "plain" });
    });

    it("round-trips what people return", async () => {
      const pool = testPool();
      const values = [
        undefined,
        null,
        -0,
        Number.NaN,
        10n ** 20n,
        "ü",
        Object.assign(new Array(3), { 0: 1, 2: 3 }),
        { a: { b: [1] } },
      ];
      const back = await pool.map(
        (i: number) =>
          [
            undefined,
            null,
            -0,
            Number.NaN,
            10n ** 20n,
            "ü",
            Object.assign(new Array(3), { 0: 1, 2: 3 }),
            { a: { b: [1] } },
          ][i],
        [0, 1, 2, 3, 4, 5, 6, 7],
      );
      expect(back).toEqual(values);
      expect(Object.is(back[2], -0)).toBe(true);
      const [map] = await pool.map(() => new Map([["k", new Set([new Date(5)])]]), [0]);
      expect(map).toEqual(new Map([["k", new Set([new Date(5)])]]));
    });

    it("a returned instance is an instance of the driver's own class", async () => {
      class Point {
        readonly #secret: number;
        x: number;
        constructor(x: number) {
          this.x = x;
          this.#secret = x * 2;
        }
        reveal() {
          return this.#secret;
        }
      }
      const pool = testPool();
      const [moved] = await pool.map((p) => new Point(p.x + p.reveal()), [new Point(4)]);
      expect(moved).toBeInstanceOf(Point);
      expect(moved!.reveal()).toBe(24);
    });

    it("big items and results travel as objects of their own", async () => {
      const pool = testPool();
      const big = new Float64Array(100_000).map((_, i) => i);
      const [doubled] = await pool.map((a) => a.map((x) => x * 2), [big]);
      expect(doubled![99_999]).toBe(199_998);
    });

    it("sends captured data as it is at the time of the call, also when there is much of it", async () => {
      const pool = testPool();
      const rows = Array.from({ length: 3000 }, (_, id) => ({ id }));
      const first = (_n: number) => rows[0]!.id;
      expect(await pool.map(first, [0])).toEqual([0]);
      rows[0]!.id = 7;
      expect(await pool.map(first, [0])).toEqual([7]);
    });

    it("what a task assigns in captured state is not seen by the next", async () => {
      const pool = testPool({ concurrency: 1 });
      let counter = 0;
      const list: number[] = [];
      const seen = await pool.map(
        (n) => {
          counter += 1;
          list.push(n);
          return [counter, list.length];
        },
        Array.from({ length: 50 }, (_, i) => i),
      );
      expect(seen.every(([c, l]) => c === 1 && l === 1)).toBe(true);
      expect([counter, list]).toEqual([0, []]);
    });
  });

  describe("pool.mapSettled", () => {
    it("goes on after failures", async () => {
      const pool = testPool();
      const settled = await pool.mapSettled(
        (n) => {
          if (n % 2) throw new RangeError(`odd ${n}`);
          return n;
        },
        [0, 1, 2],
      );
      expect(settled[0]).toEqual({ status: "fulfilled", value: 0 });
      expect(settled[1]).toMatchObject({ status: "rejected", reason: { message: "odd 1" } });
      expect((settled[1] as PromiseRejectedResult).reason).toBeInstanceOf(RangeError);
      expect(settled[2]).toEqual({ status: "fulfilled", value: 2 });
    });
  });

  describe("pool.run", () => {
    it("runs one task", async () => {
      const pool = testPool();
      expect(await pool.run((s) => s.length, "four")).toBe(4);
      expect(await pool.run(() => "no input")).toBe("no input");
    });

    it("keeps many calls apart", async () => {
      const pool = testPool();
      const results = await Promise.all(Array.from({ length: 300 }, (_, i) => pool.run((n) => n * n, i)));
      expect(results).toEqual(Array.from({ length: 300 }, (_, i) => i * i));
    });

    it("rejects with the task's error", async () => {
      const pool = testPool();
      const error = await rejection(pool.run(() => JSON.parse("{")));
      expect(error).toBeInstanceOf(SyntaxError);
    });
  });
});
