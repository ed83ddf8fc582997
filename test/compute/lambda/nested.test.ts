import { expect, it } from "vitest";
import type { Context } from "../../../src/index.ts";
import { describeWith, s3Service } from "../../services/services.ts";
import { withEnv } from "../../support/job-stores.ts";
import { testPool } from "../../support/pools.ts";

describeWith("lambda", "nested maps on AWS Lambda", (lambda) => {
  it("that are wider than the account's quota of one, three deep: done, in one environment", async () => {
    const account = await lambda().openAccount({ concurrency: 1 });
    const bucket = await (await s3Service()).makeBucket();
    await withEnv(account.env, async () => {
      const pool = testPool({
        compute: "aws-lambda",
        storage: `s3://${bucket}/jobs?pathStyle=true`,
        aws: { roleArn: account.roleArn, memoryMb: 512, timeoutS: 60 },
      });
      const where = () => process.env["AWS_LAMBDA_LOG_STREAM_NAME"] ?? "";
      const job = pool.map(
        async (n: number, ctx: Context) => {
          const { pool } = ctx;
          const [squares, places] = await Promise.all([
            pool.map(
              async (m: number, inner: Context) => {
                const [one] = await inner.pool.map((k: number) => k * k, [m]);
                return one!;
              },
              [n, n + 1, n + 2],
            ),
            pool.map(() => where(), [1, 2]),
          ]);
          return {
            sum: squares.reduce((a: number, b: number) => a + b, 0),
            places: new Set([where(), ...places]).size,
          };
        },
        [1, 2],
      );
      expect(await job).toEqual([
        { sum: 1 + 4 + 9, places: 1 },
        { sum: 4 + 9 + 16, places: 1 },
      ]);
      await pool.close();
    });
    expect((await account.environments()).length).toBe(1);
  });
});
