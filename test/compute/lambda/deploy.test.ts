import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { IAM } from "@aws-sdk/client-iam";
import { Lambda } from "@aws-sdk/client-lambda";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { workerFunctions } from "../../../src/compute/lambda/deploy/functions.ts";
import { logGroupOf } from "../../../src/compute/lambda/deploy/names.ts";
import { KingletError } from "../../../src/errors.ts";
import { version } from "../../../src/version.ts";
import type { LambdaAccount } from "../../services/lambda/account-client.ts";
import { describeWith } from "../../services/services.ts";
import { PATIENCE_MS } from "../../support/patience.ts";
import { awsOptions, ECHO, QUICK, zipOf } from "./deploy-parts.ts";

const SPEC = { memoryMb: 256, copy: 0 };

/** AWS's clients take keys from the environment, as users' do. */
function useAccount(account: LambdaAccount): void {
  for (const [name, value] of Object.entries(account.env)) vi.stubEnv(name, value);
}

const clientOf = (account: LambdaAccount): Lambda => new Lambda({ ...account });

async function errorOf(promise: Promise<unknown>): Promise<KingletError & Record<string, unknown>> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KingletError);
  return error as KingletError & Record<string, unknown>;
}

describeWith("lambda", "worker functions on AWS Lambda", (lambda) => {
  let account: LambdaAccount;
  beforeEach(async () => {
    account = await lambda().openAccount();
    useAccount(account);
  });
  afterEach(() => vi.unstubAllEnvs());

  it("are made at first use, with what the options say, ready to be invoked", async () => {
    const functions = workerFunctions(awsOptions(account, { timeoutS: 60 }), QUICK);
    const { name, timeoutS, memoryMb } = await functions.ensure(SPEC);
    expect({ timeoutS, memoryMb }).toEqual({ timeoutS: 60, memoryMb: 256 });
    expect(name).toMatch(/^kinglet-[0-9a-f]{8}-arm64-256-0$/);

    const client = clientOf(account);
    const made = await client.getFunction({ FunctionName: name });
    expect(made.Configuration).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      MemorySize: 256,
      Timeout: 60,
      EphemeralStorage: { Size: 512 },
      State: "Active",
    });
    expect(made.Tags).toEqual({
      "kinglet:version": version,
      "kinglet:content": zipOf(ECHO).sha256,
      "kinglet:storage": expect.stringContaining("s3://a-bucket/some/prefix"),
    });
    const { Payload } = await client.invoke({ FunctionName: name, Payload: '{"hi":1}' });
    expect(JSON.parse(Buffer.from(Payload!).toString())).toEqual({ echo: { hi: 1 } });
  });

  it("have a role that may use the store's prefix and their own log groups, and nothing else", async () => {
    const { name } = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    const { Role } = await clientOf(account).getFunctionConfiguration({ FunctionName: name });
    const RoleName = Role!.split("/").at(-1)!;
    const iam = new IAM({ ...account });
    const { PolicyNames } = await iam.listRolePolicies({ RoleName });
    expect(PolicyNames).toEqual(["kinglet-worker"]);
    const { PolicyDocument } = await iam.getRolePolicy({ RoleName, PolicyName: "kinglet-worker" });
    const { Statement } = JSON.parse(decodeURIComponent(PolicyDocument!));
    expect(Statement.map(({ Resource }: { Resource: string }) => Resource)).toEqual([
      "arn:aws:s3:::a-bucket/some/prefix/*",
      "arn:aws:s3:::a-bucket",
      `arn:aws:logs:${account.region}:*:log-group:/aws/lambda/kinglet-*:*`,
    ]);
  });

  it("write into a log group that keeps lines for two weeks", async () => {
    const { name } = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    const { logGroups } = await new CloudWatchLogs({ ...account }).describeLogGroups({
      logGroupNamePrefix: logGroupOf(name),
    });
    expect(logGroups).toMatchObject([{ logGroupName: logGroupOf(name), retentionInDays: 14 }]);
  });

  it("wait until a new role is known to Lambda", async () => {
    account = await lambda().openAccount({ rolePropagationMs: 1500 });
    useAccount(account);
    const { name } = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    await clientOf(account).invoke({ FunctionName: name, Payload: "{}" });
  });

  it("are found rather than made a second time, and then need no right to make any", async () => {
    const first = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    for (const action of ["lambda:Create*", "lambda:Update*", "iam:*", "logs:*"]) await account.deny(action);
    expect(await workerFunctions(awsOptions(account), QUICK).ensure(SPEC)).toEqual(first);
  });

  it("are one function for many drivers that make it at once", async () => {
    const drivers = Array.from({ length: 6 }, () => workerFunctions(awsOptions(account), QUICK));
    const names = await Promise.all(drivers.map(async (functions) => (await functions.ensure(SPEC)).name));
    expect(new Set(names).size).toBe(1);
    const client = clientOf(account);
    expect((await client.listFunctions({})).Functions).toHaveLength(1);
    const roles = (await new IAM({ ...account }).listRoles({})).Roles!.map(({ RoleName }) => RoleName!);
    expect(roles.filter((name) => name.startsWith("kinglet-"))).toHaveLength(1);
  });

  it("are other ones for other code, memory, copies, timeouts, roles and stores", async () => {
    const name = async (options: Parameters<typeof awsOptions>[1], spec = SPEC, text = ECHO) =>
      (
        await workerFunctions(awsOptions(account, options), {
          ...QUICK,
          zip: async () => zipOf(text),
        }).ensure(spec)
      ).name;
    const names = [
      await name({}),
      await name({}, SPEC, `${ECHO}\n`),
      await name({}, { memoryMb: 512, copy: 0 }),
      await name({}, { memoryMb: 256, copy: 1 }),
      await name({ timeoutS: 30 }),
      await name({ architecture: "x64" }),
      await name({ runtime: "nodejs22.x" }),
      await name({ ephemeralStorageMb: 1024 }),
      await name({ roleArn: account.roleArn }),
      await name({ read: ["s3://other-bucket/logs"] }),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  it("use the user's own role, and make none", async () => {
    await account.deny("iam:CreateRole");
    await account.deny("iam:GetRole");
    const { name } = await workerFunctions(awsOptions(account, { roleArn: account.roleArn }), QUICK).ensure(
      SPEC,
    );
    const { Role } = await clientOf(account).getFunctionConfiguration({ FunctionName: name });
    expect(Role).toBe(account.roleArn);
  });

  it("are mended where someone changed them", async () => {
    const { name } = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    const client = clientOf(account);
    await vi.waitFor(
      () => client.updateFunctionConfiguration({ FunctionName: name, MemorySize: 128, Timeout: 3 }),
      PATIENCE_MS,
    );
    await vi.waitFor(
      () =>
        client.updateFunctionCode({
          FunctionName: name,
          ZipFile: zipOf("export const handler = () => 'other';").bytes,
        }),
      PATIENCE_MS,
    );
    const mended = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    expect(mended).toEqual({ name, timeoutS: 900, memoryMb: 256 });
    const { Payload } = await client.invoke({ FunctionName: name, Payload: "1" });
    expect(JSON.parse(Buffer.from(Payload!).toString())).toEqual({ echo: 1 });
  });

  it("are completed where a driver died between the role and its policy", async () => {
    const { name } = await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    const client = clientOf(account);
    const RoleName = (await client.getFunctionConfiguration({ FunctionName: name })).Role!.split("/").at(-1)!;
    const iam = new IAM({ ...account });
    await iam.deleteRolePolicy({ RoleName, PolicyName: "kinglet-worker" });
    await client.deleteFunction({ FunctionName: name });
    await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
    expect((await iam.listRolePolicies({ RoleName })).PolicyNames).toEqual(["kinglet-worker"]);
  });

  it("may be a function of the user's own, which is taken as it is", async () => {
    const { name } = await workerFunctions(awsOptions(account, { timeoutS: 77 }), QUICK).ensure(SPEC);
    const own = workerFunctions(awsOptions(account, { functionName: name }), QUICK);
    expect(await own.ensure({ memoryMb: 4096, copy: 3 })).toEqual({ name, timeoutS: 77, memoryMb: 256 });
    const none = workerFunctions(awsOptions(account, { functionName: "no-such" }), QUICK);
    const error = await errorOf(none.ensure(SPEC));
    expect(error.code).toBe("NOT_FOUND");
    expect(error.message).toContain(`there is no function no-such in ${account.region}`);
    expect(error.remedy).toContain("AWS_REGION");
  });

  it("say what the platform's log knows of an environment that doesn't start", async () => {
    const sinceMs = Date.now() - 1000;
    const functions = workerFunctions(awsOptions(account), {
      ...QUICK,
      zip: async () => zipOf('import "not-there";\nexport const handler = () => 1;'),
    });
    const { name } = await functions.ensure(SPEC);
    await clientOf(account).invoke({ FunctionName: name, Payload: "{}" });
    expect(await functions.startFailure(name, sinceMs)).toMatch(/Cannot find package .not-there. imported/);
    expect(await functions.startFailure("kinglet-no-such", sinceMs)).toBeUndefined();
  });

  it.each([
    "lambda:GetFunctionConfiguration",
    "lambda:CreateFunction",
    "iam:PassRole",
    "iam:GetRole",
    "iam:CreateRole",
    "iam:PutRolePolicy",
    "logs:CreateLogGroup",
    "logs:PutRetentionPolicy",
  ])("name the missing permission %s, who lacks it and what mends it", async (action) => {
    await account.deny(action);
    const error = await errorOf(workerFunctions(awsOptions(account), QUICK).ensure(SPEC));
    expect(error).toMatchObject({
      code: "COMPUTE_REFUSED",
      permission: action,
      principal: account.callerArn,
      region: account.region,
    });
    expect(error.message).toContain(`${account.callerArn} may not ${action}`);
    expect(error.remedy).toContain("kinglet policy aws --for deployer");
    // Once it is allowed, the same pool goes on.
    await account.allow(action);
    await workerFunctions(awsOptions(account), QUICK).ensure(SPEC);
  });

  it.each([
    {
      what: "a wrong secret",
      env: { AWS_SECRET_ACCESS_KEY: "wrong" },
      message: /./,
      remedy: /AWS_SECRET_ACCESS_KEY/,
    },
    {
      what: "an unknown key",
      env: { AWS_ACCESS_KEY_ID: "AKIAUNKNOWN" },
      message: /doesn't know the credentials/,
      remedy: /AWS_ACCESS_KEY_ID.*AWS_REGION/,
    },
    {
      what: "no credentials",
      env: {
        AWS_ACCESS_KEY_ID: "",
        AWS_SECRET_ACCESS_KEY: "",
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_SHARED_CREDENTIALS_FILE: "/none",
        AWS_CONFIG_FILE: "/none",
      },
      message: /there are no credentials/,
      remedy: /AWS_ACCESS_KEY_ID.*AWS_PROFILE/,
    },
  ])("say of $what what is wrong", async ({ env, message, remedy }) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const error = await errorOf(workerFunctions(awsOptions(account), QUICK).ensure(SPEC));
    expect(error.code).toBe("COMPUTE_REFUSED");
    expect(error.message).toMatch(message);
    expect(error.remedy).toMatch(remedy);
  });

  it("say of a region that isn't there what it is", async () => {
    const aws = { ...awsOptions(account), region: "eu-wset-1", endpoint: "https://lambda.eu-wset-1.invalid" };
    const error = await errorOf(workerFunctions(aws, QUICK).ensure(SPEC));
    expect(error.code).toBe("COMPUTE_UNAVAILABLE");
    expect(error.message).toContain("the host lambda.eu-wset-1.invalid isn't found");
    expect(error.remedy).toMatch(/"eu-wset-1" a region.*AWS_REGION/);
  });

  it("say of an account's memory limit which it is", async () => {
    account = await lambda().openAccount({ memoryMb: { least: 128, most: 3008, initially: 128 } });
    useAccount(account);
    const error = await errorOf(
      workerFunctions(awsOptions(account), QUICK).ensure({ memoryMb: 4096, copy: 0 }),
    );
    expect(error).toMatchObject({ code: "COMPUTE_REFUSED", maxMemoryMb: 3008 });
    expect(error.remedy).toContain("aws.memoryMb");
  });

  it("say of a zip that is too big how big it may be", async () => {
    account = await lambda().openAccount({ zippedBytes: 100 });
    useAccount(account);
    const error = await errorOf(workerFunctions(awsOptions(account), QUICK).ensure(SPEC));
    expect(error.code).toBe("COMPUTE_REFUSED");
    expect(error.message).toContain("the workers' zip is too big");
  });

  it("say of a role that Lambda can't assume what it lacks", async () => {
    const roleArn = `arn:aws:iam::${account.accountId}:role/nobody`;
    const functions = workerFunctions(awsOptions(account, { roleArn }), {
      ...QUICK,
      patience: { ...QUICK.patience, readyMs: 300 },
    });
    const error = await errorOf(functions.ensure(SPEC));
    expect(error.code).toBe("COMPUTE_REFUSED");
    expect(error.message).toContain("Lambda can't assume the function's role");
    expect(error.remedy).toMatch(/aws\.roleArn.*lambda\.amazonaws\.com/);
  });
});
