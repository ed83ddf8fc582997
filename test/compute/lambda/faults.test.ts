import { expect, it } from "vitest";
import { describeWith, s3Service } from "../../services/services.ts";
import { withEnv } from "../../support/job-stores.ts";
import { amount } from "../../support/part.ts";
import { PATIENCE_MS } from "../../support/patience.ts";
import { rejection, testPool } from "../../support/pools.ts";

const TASKS = 60;
const SEEDS = Array.from({ length: amount({ short: 1, long: 20 }) }, (_, i) => i + 1);
/** Of all invocations; the rest has none. */
const RATES = {
  killBefore: 0.05,
  killDuring: 0.05,
  killAfter: 0.05,
  throttle: 0.1,
  serverError: 0.05,
  lostAnswer: 0.04,
  freeze: 0.05,
  duplicate: 0.1,
  cut: 0.06,
  delay: 0.05,
};

describeWith("lambda", "jobs on AWS Lambda when everything goes wrong", (lambda) => {
  const open = async (limits: object) => {
    const account = await lambda().openAccount({ initMs: PATIENCE_MS, ...limits });
    const bucket = await (await s3Service()).makeBucket();
    const options = {
      compute: "aws-lambda",
      storage: `s3://${bucket}/jobs?pathStyle=true`,
      concurrency: 6,
      // Patience is what is tested: each task may be hit many times.
      retries: 50,
      aws: { roleArn: account.roleArn, memoryMb: 512, timeoutS: 30 },
    } as const;
    return { account, options };
  };

  it.each(SEEDS)("right results, each outcome once, no hang (seed %i)", async (seed) => {
    const { account, options } = await open({ concurrency: 6 });
    await account.setFaultRates({ seed, rates: RATES, mostMs: 60 });
    await withEnv(account.env, async () => {
      const pool = testPool(options);
      const fn = async (n: number) => {
        await new Promise((resolve) => setTimeout(resolve, n % 7 === 0 ? 30 : 1));
        return n * 2;
      };
      const seen: number[] = [];
      const job = pool.map(
        fn,
        Array.from({ length: TASKS }, (_, i) => i),
        { batch: 4 },
      );
      for await (const { index } of job.completed()) seen.push(index);
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: TASKS }, (_, i) => i));
      expect(await job).toEqual(Array.from({ length: TASKS }, (_, i) => i * 2));
      await pool.close();
    });
    const counts = await account.faultCounts();
    expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
  });

  it("throttled to a tenth of what it wants", async () => {
    const { account, options } = await open({ concurrency: 1 });
    await withEnv(account.env, async () => {
      const pool = testPool({ ...options, concurrency: 10 });
      const items = Array.from({ length: 40 }, (_, i) => i);
      expect(await pool.map((n: number) => n + 1, items, { batch: 2 })).toEqual(items.map((n) => n + 1));
      await pool.close();
    });
  });

  it("a poison task is charged alone, its batch mates run", async () => {
    const { account, options } = await open({ concurrency: 3 });
    await withEnv(account.env, async () => {
      const pool = testPool({ ...options, retries: 1 });
      const fn = (n: number) => (n === 5 ? process.exit(3) : n);
      const results = await pool.mapSettled(fn, [0, 1, 2, 3, 4, 5, 6, 7], { batch: 8 });
      expect(results.map(({ status }) => status === "fulfilled")).toEqual([
        true,
        true,
        true,
        true,
        true,
        false,
        true,
        true,
      ]);
      expect(await rejection(pool.run(fn, 5))).toMatchObject({ code: "CRASHED", evidence: "exit code 3" });
      await pool.close();
    });
  });
});
