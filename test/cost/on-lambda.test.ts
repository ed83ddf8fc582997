import { afterAll, beforeAll, expect, it } from "vitest";
import { Folder, kinglet } from "../cli/kinglet.ts";
import type { LambdaAccount } from "../services/lambda/account-client.ts";
import { describeWith, s3Service } from "../services/services.ts";

describeWith("lambda", "costs on AWS Lambda", (lambda) => {
  let folder: Folder;
  let account: LambdaAccount;
  let storage: string;
  beforeAll(async () => {
    folder = new Folder();
    storage = `s3://${await (await s3Service()).makeBucket()}/jobs`;
    account = await lambda().openAccount();
    folder.script(
      "work.ts",
      `import { openPool } from "kinglet";
       const pool = openPool({ concurrency: 2 });
       const job = pool.map((n) => n + 1, [1, 2, 3], process.env.BUDGET ? { budgetUsd: Number(process.env.BUDGET) } : {});
       try { console.log(JSON.stringify(await job)); } catch (error) { console.log(error.code); }
       try { await pool.close(); } catch {}
       console.log(JSON.stringify(job.cost));`,
    );
  });
  afterAll(() => folder.remove());

  const run = (env: Record<string, string> = {}) =>
    kinglet(["run", "work.ts"], {
      cwd: folder.path,
      env: { ...account.env, KINGLET_STORAGE: storage, KINGLET_COMPUTE: "aws-lambda", ...env },
    });

  it("are told by the job and in the summary", async () => {
    const { stdout, stderr } = await run();
    const [values, cost] = stdout.trim().split("\n");
    expect(values).toBe("[2,3,4]");
    const { usd, computeUsd, requestsUsd, storageUsd, invocations, prices } = JSON.parse(cost!);
    expect(invocations).toBeGreaterThan(0);
    expect(requestsUsd).toBeCloseTo((invocations * 0.2) / 1e6, 12);
    expect(usd).toBeCloseTo(computeUsd + requestsUsd + storageUsd, 12);
    expect(prices).toContain("AWS us-east-1, 2026-");
    expect(stderr).toMatch(/cost {5}\$0\.0\d+: \d+ invocations?, \d+ GB-s \(AWS us-east-1/);
  });

  it("stay within a budget of nothing", async () => {
    const { stdout } = await run({ BUDGET: "0" });
    const [code, cost] = stdout.trim().split("\n");
    expect(code).toBe("BUDGET_SPENT");
    expect(JSON.parse(cost!)).toMatchObject({ usd: 0, invocations: 0 });
  });
});
