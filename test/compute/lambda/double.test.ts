import { expect, it } from "vitest";
import { describeWith, s3Service } from "../../services/services.ts";
import { withEnv } from "../../support/job-stores.ts";
import { testPool } from "../../support/pools.ts";

describeWith("lambda", "on AWS Lambda", (lambda) => {
  it("closures run in environments that see nothing of this machine", { timeout: 120_000 }, async () => {
    const account = await lambda().openAccount({ concurrency: 4 });
    const bucket = await (await s3Service()).makeBucket();
    await withEnv(account.env, async () => {
      const pool = testPool({
        compute: "aws-lambda",
        storage: `s3://${bucket}/jobs?pathStyle=true`,
        aws: { roleArn: account.roleArn, memoryMb: 512, timeoutS: 30 },
      });
      const offset = 10;
      expect(await pool.map((n: number) => n + offset, [1, 2, 3])).toEqual([11, 12, 13]);
      const where = () => [process.cwd(), process.env["AWS_LAMBDA_FUNCTION_NAME"]];
      expect(await pool.run(where, undefined)).toEqual(["/var/task", expect.stringMatching(/^kinglet-/)]);
      await pool.close();
    });
  });
});
