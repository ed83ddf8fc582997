import { expect, it } from "vitest";
import { describeWith, s3Service } from "../../services/services.ts";
import { withEnv } from "../../support/job-stores.ts";
import { testPool } from "../../support/pools.ts";

describeWith("lambda", "on AWS Lambda", (lambda) => {
  it("closures run in environments that see nothing of this machine", async () => {
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
      const where = () => process.env["AWS_LAMBDA_FUNCTION_NAME"];
      expect(await pool.run(where, undefined)).toMatch(/^kinglet-/);
      const seesThisMachine = async (file: string) => (await import("node:fs")).existsSync(file);
      expect(await pool.run(seesThisMachine, import.meta.filename)).toBe(false);
      const fillsTmp = async (n: number) => {
        const fs = await import("node:fs");
        const before = fs.existsSync("/tmp/left-behind");
        fs.writeFileSync("/tmp/left-behind", "x");
        return before ? -1 : n;
      };
      expect(await pool.map(fillsTmp, [1, 2, 3, 4], { batch: 2 })).toEqual([1, 2, 3, 4]);
      await pool.close();
    });
  });
});
