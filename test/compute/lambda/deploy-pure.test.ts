import { describe, expect, it } from "vitest";
import { packWorker } from "../../../scripts/pack-worker.ts";
import { awsFailure } from "../../../src/compute/lambda/deploy/failures.ts";
import { functionNameOf, parseFunctionName } from "../../../src/compute/lambda/deploy/names.ts";
import { deployerPolicy, userPolicy, workerPolicy } from "../../../src/compute/lambda/deploy/policy.ts";
import { startFailureIn } from "../../../src/compute/lambda/deploy/start-failure.ts";

describe("what Lambda's log says of a start that failed", () => {
  it.each([
    [
      "an error of a module, rather than what follows from it",
      [
        "INIT_START Runtime Version: nodejs:24.v12\n",
        '2026-11-29T00:05:35.946Z\t-\tERROR\tInit Error \t{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module \'x\'\\nRequire stack: …","stack":[]}\n',
        "INIT_REPORT Init Duration: 152.27 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n",
      ],
      "Runtime.ImportModuleError: Error: Cannot find module 'x'\nRequire stack: …",
    ],
    [
      "an initialisation that failed",
      ["INIT_REPORT Init Duration: 152.27 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"],
      "the initialisation failed after 152.27 ms: Runtime.ExitError",
    ],
    [
      "an initialisation that took too long",
      ["INIT_REPORT Init Duration: 10000.04 ms\tPhase: init\tStatus: timeout\n"],
      "the initialisation took longer than Lambda allows (10000.04 ms)",
    ],
    [
      "memory that ran out",
      [
        "REPORT RequestId: 1\tDuration: 3.12 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n",
      ],
      "Runtime.OutOfMemory, 128 MB of its 128 MB of memory used",
    ],
    [
      "a runtime that was killed",
      ["RequestId: 1 Error: Runtime exited with error: signal: killed\n"],
      "Runtime exited with error: signal: killed",
    ],
    [
      "an invocation that was stopped",
      ["2026-11-29T00:05:35Z 1 Task timed out after 3.00 seconds\n"],
      "Task timed out after 3.00 seconds",
    ],
    [
      "nothing, where all went well",
      [
        "INIT_START Runtime Version: nodejs:24.v12\n",
        "START RequestId: 1 Version: $LATEST\n",
        "a task's own line about an Error Type: none\n",
        "REPORT RequestId: 1\tDuration: 3.12 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 99 ms\n",
      ],
      undefined,
    ],
  ])("is %s", (_what, lines, expected) => {
    expect(startFailureIn(lines)).toBe(expected);
  });
});

describe("the name of a worker function", () => {
  it("says which it is", () => {
    const name = functionNameOf("0a1b2c3d", "x64", { memoryMb: 10_240, copy: 12 });
    expect(name).toBe("kinglet-0a1b2c3d-x64-10240-12");
    expect(parseFunctionName(name)).toEqual({
      hash8: "0a1b2c3d",
      architecture: "x64",
      memoryMb: 10_240,
      copy: 12,
    });
    expect(parseFunctionName("kinglet-site")).toBeUndefined();
  });
});

describe("the workers' zip", () => {
  const files = { "b.mjs": Buffer.from("export const b = 2;"), "a.mjs": Buffer.from("export const a = 1;") };

  it("has the same bytes whenever and in whatever order it is packed", () => {
    const { TZ } = process.env;
    const first = packWorker(files, "a.handler");
    process.env["TZ"] = "Pacific/Kiritimati";
    const again = packWorker({ "a.mjs": files["a.mjs"], "b.mjs": files["b.mjs"] }, "a.handler");
    if (TZ === undefined) delete process.env["TZ"];
    else process.env["TZ"] = TZ;
    expect(Buffer.compare(first.zip, again.zip)).toBe(0);
    expect(first.manifest).toEqual(again.manifest);
    expect(first.manifest.files).toEqual({ "a.mjs": 19, "b.mjs": 19 });
  });
});

describe("policies", () => {
  const scope = {
    storage: { bucket: "b", prefix: "k" },
    region: "cn-north-1",
    read: [
      { bucket: "logs", prefix: "2026" },
      { bucket: "logs", prefix: "2025" },
    ],
  };

  it("name the partition of the region, and what workers may read", () => {
    const { Statement } = workerPolicy(scope);
    expect(Statement.flatMap(({ Resource }) => Resource)).toEqual([
      "arn:aws-cn:s3:::b/k/*",
      "arn:aws-cn:s3:::b",
      "arn:aws-cn:s3:::logs/2026/*",
      "arn:aws-cn:s3:::logs/2025/*",
      "arn:aws-cn:s3:::logs",
      "arn:aws-cn:logs:cn-north-1:*:log-group:/aws/lambda/kinglet-*:*",
    ]);
    expect(Statement.find(({ Sid }) => Sid === "KingletReadList1")!.Condition).toEqual({
      StringLikeIfExists: { "s3:prefix": ["2026/*", "2025/*"] },
    });
  });

  it("let nobody do everything, and each of them have unique ids, as IAM wants", () => {
    for (const policy of [workerPolicy, userPolicy, deployerPolicy]) {
      const { Statement } = policy(scope);
      const sids = Statement.map(({ Sid }) => Sid);
      expect(new Set(sids).size).toBe(sids.length);
      for (const sid of sids) expect(sid).toMatch(/^[A-Za-z0-9]+$/);
      for (const action of Statement.flatMap(({ Action }) => Action)) expect(action).not.toContain("*");
    }
  });

  it("fit into IAM's inline limit of 10,240 characters", () => {
    const read = Array.from({ length: 20 }, (_, i) => ({
      bucket: `bucket-number-${i}`,
      prefix: "some/long/prefix",
    }));
    expect(JSON.stringify(workerPolicy({ ...scope, read })).length).toBeLessThan(10_240);
  });
});

describe("what AWS refuses", () => {
  const concern = { action: "make the worker function f", region: "eu-west-1" };
  const aws = (name: string, message: string, status = 400) =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });

  it.each([
    [
      aws("ExpiredTokenException", "The security token included in the request is expired", 403),
      "COMPUTE_REFUSED",
      /credentials have expired/,
      /aws sso login/,
    ],
    [
      aws("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than …", 403),
      "COMPUTE_REFUSED",
      /Signature expired/,
      /clock/,
    ],
    [
      aws("CodeStorageExceededException", "Code storage limit exceeded."),
      "COMPUTE_REFUSED",
      /space for functions' code/,
      /kinglet destroy aws --old/,
    ],
    [
      aws("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", 409),
      "COMPUTE_REFUSED",
      /RolesPerAccount/,
      /kinglet destroy aws --old/,
    ],
    [
      aws("TooManyRequestsException", "Rate exceeded", 429),
      "COMPUTE_UNAVAILABLE",
      /Rate exceeded/,
      /try again/,
    ],
    [aws("ServiceException", "Internal error", 500), "COMPUTE_UNAVAILABLE", /Internal error/, /try again/],
    [
      aws(
        "AccessDeniedException",
        "User: arn:aws:sts::1:assumed-role/dev/me is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:eu-west-1:1:function:f with an explicit deny in a service control policy",
        403,
      ),
      "COMPUTE_REFUSED",
      /a policy denies it expressly/,
      /kinglet policy aws/,
    ],
    [
      Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" }),
      "COMPUTE_UNAVAILABLE",
      /can't be reached/,
      /AWS_ENDPOINT_URL/,
    ],
    [new Error("a bug"), "COMPUTE_REFUSED", /a bug/, /kinglet doctor/],
  ])("is told in words: %s", (error, code, message, remedy) => {
    const failure = awsFailure(error, concern);
    expect(failure.code).toBe(code);
    expect(failure.message).toContain("AWS Lambda in eu-west-1: can't make the worker function f:");
    expect(failure.message).toMatch(message);
    expect(failure.remedy).toMatch(remedy);
    expect(failure.cause).toBe(error);
  });
});
