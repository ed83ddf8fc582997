import { describe, expect, it } from "vitest";
import { onEveryStore } from "../support/job-stores.ts";
import { rejection, testPool } from "../support/pools.ts";

onEveryStore(() => {
  describe("cancelling", () => {
    it("a job: nothing starts any more, running tasks are told, the promise rejects", async () => {
      const pool = testPool();
      const job = pool.map(
        async (_n, ctx) => {
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve, { once: true }));
        },
        Array.from({ length: 100 }, (_, i) => i),
      );
      const failure = rejection(job);
      while (job.progress.running === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await job.cancel("not needed");
      expect(await failure).toMatchObject({ code: "CANCELLED" });
      expect((await failure).message).toMatch(/not needed/);
      expect(job.progress.state).toBe("cancelled");
    });

    it("an endless synchronous loop is stopped", async () => {
      const pool = testPool();
      const job = pool.map(() => {
        for (;;);
      }, [1]);
      const failure = rejection(job);
      while (job.progress.running === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await job.cancel();
      expect(await failure).toMatchObject({ code: "CANCELLED" });
      expect(await pool.run(() => "the pool goes on")).toBe("the pool goes on");
    });

    it("by a signal, before and after the start", async () => {
      const pool = testPool();
      expect(
        await rejection(pool.map((n) => n, [1], { signal: AbortSignal.abort(new Error("too late")) })),
      ).toMatchObject({
        code: "CANCELLED",
      });
      const controller = new AbortController();
      const job = pool.map(() => new Promise(() => setTimeout(() => {}, 60_000)), [1, 2, 3], {
        signal: controller.signal,
      });
      const failure = rejection(job);
      while (job.progress.running === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      controller.abort(new Error("enough"));
      expect((await failure).message).toMatch(/enough/);
    });

    it("the first failure of a map cancels the rest", async () => {
      const pool = testPool();
      const job = pool.map(
        (n) => {
          if (n === 0) throw new Error("first");
          for (;;);
        },
        [0, 1, 2, 3],
      );
      expect((await rejection(job)).message).toBe("first");
      expect(job.progress.state).toBe("failed");
    });
  });

  describe("closing a pool", () => {
    it("waits for what runs", async () => {
      const pool = testPool();
      const job = pool.map((n) => n, [1, 2, 3]);
      await pool.close();
      expect(job.progress).toMatchObject({ state: "done", done: 3 });
    });

    it("throws the failure that nobody looked at, once", async () => {
      const pool = testPool();
      pool.run(() => {
        throw new RangeError("unseen");
      });
      expect(await rejection(pool.close())).toMatchObject({ message: "unseen" });
    });

    it("doesn't throw a failure that was looked at", async () => {
      const pool = testPool();
      await rejection(
        pool.run(() => {
          throw new RangeError("seen");
        }),
      );
      await pool.close();
    });
  });
});
