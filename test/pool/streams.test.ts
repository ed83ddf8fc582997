import { describe, expect, it } from "vitest";
import { onEveryStore } from "../support/job-stores.ts";
import { rejection, testPool } from "../support/pools.ts";

function* endless() {
  for (let i = 0; ; i++) yield i;
}

onEveryStore(() => {
  describe("iterating a job", () => {
    it("gives the values in order", async () => {
      const pool = testPool();
      const seen: number[] = [];
      for await (const value of pool.map((n) => n * 10, [1, 2, 3])) seen.push(value);
      expect(seen).toEqual([10, 20, 30]);
    });

    it("completed() gives each value once, with its index", async () => {
      const pool = testPool();
      const seen: [number, string][] = [];
      const job = pool.map(
        (n) => `v${n}`,
        Array.from({ length: 500 }, (_, i) => i),
      );
      for await (const { index, value } of job.completed()) seen.push([index, value]);
      seen.sort((a, b) => a[0] - b[0]);
      expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => [i, `v${i}`]));
    });

    it("an endless input: leaving the loop cancels the rest and ends the generator", async () => {
      const pool = testPool();
      let ended = false;
      function* source() {
        try {
          yield* endless();
        } finally {
          ended = true;
        }
      }
      const job = pool.map((n) => n, source());
      const seen: number[] = [];
      for await (const value of job) {
        seen.push(value);
        if (seen.length === 25_000) break;
      }
      expect(seen.every((value, i) => value === i)).toBe(true);
      expect(job.progress.state).toBe("cancelled");
      expect(ended).toBe(true);
    });

    it("a slow consumer holds the input back", async () => {
      const pool = testPool();
      let drawn = 0;
      async function* source() {
        for (;;) yield drawn++;
      }
      const job = pool.map((n) => n, source());
      let count = 0;
      for await (const _ of job) {
        count += 1;
        if (count === 100) {
          // Everything that may be drawn ahead has been when nothing runs any more.
          let before = -1;
          while (before !== drawn || job.progress.running > 0) {
            before = drawn;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          expect(drawn).toBeLessThan(14_000);
        }
        if (count === 200) break;
      }
      expect(count).toBe(200);
    });

    it("awaiting after iterating reads the results again", async () => {
      const pool = testPool();
      const job = pool.map((n) => ({ n }), [1, 2, 3]);
      for await (const _ of job);
      expect(await job).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    });

    it("throws the job's failure", async () => {
      const pool = testPool();
      const job = pool.map(
        (n) => {
          if (n === 2) throw new RangeError("two");
          return n;
        },
        [1, 2, 3],
      );
      const loop = (async () => {
        for await (const _ of job);
      })();
      expect(await rejection(loop)).toMatchObject({ message: "two" });
    });
  });

  describe("progress", () => {
    it("tells how far a job is", async () => {
      const pool = testPool();
      const job = pool.map((n) => n, [1, 2, 3]);
      await job;
      expect(job.progress).toMatchObject({
        total: 3,
        drawn: 3,
        done: 3,
        failed: 0,
        running: 0,
        state: "done",
      });
      expect(job.id).toMatch(/^\d{6}-\d{6}-[0-9a-z]{8}$/);
    });
  });
});
