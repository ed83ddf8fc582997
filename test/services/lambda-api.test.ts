import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DeleteLogGroupCommand,
  DescribeLogStreamsCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
  PutRetentionPolicyCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  GetAccountSettingsCommand,
  GetFunctionCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  ListFunctionsCommand,
  ListTagsCommand,
  PutFunctionConcurrencyCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { expect, it, vi } from "vitest";
import { PATIENCE_MS } from "../support/patience.ts";
import type { LambdaAccount } from "./lambda/account-client.ts";
import { createFunction, lambdaClient, scriptedCode, zipOf } from "./lambda/function-under-test.ts";
import { describeWith } from "./services.ts";

const QUICKLY = { maxWaitTime: 10, minDelay: 0.05, maxDelay: 0.1 };
const settings = (account: LambdaAccount) => ({
  ...{ endpoint: account.endpoint, region: account.region, credentials: account.credentials, maxAttempts: 1 },
});

describeWith("lambda", "the Lambda API of the double", (lambda) => {
  const input = async (
    more: Partial<CreateFunctionCommandInput> = {},
  ): Promise<CreateFunctionCommandInput> => ({
    ...{ FunctionName: "made", Runtime: "nodejs24.x", Handler: "index.handler", Role: lambda().roleArn },
    ...{ Code: { ZipFile: await scriptedCode() } },
    ...more,
  });

  it("creates a function, Pending first and Active then, and not a second time", async () => {
    const account = await lambda().openAccount();
    const client = lambdaClient(account);
    const made = await client.send(
      new CreateFunctionCommand(await input({ Role: account.roleArn, Tags: { a: "b" } })),
    );
    expect(made).toMatchObject({
      ...{ FunctionName: "made", State: "Pending", Timeout: 3, MemorySize: 128, PackageType: "Zip" },
      FunctionArn: `arn:aws:lambda:us-east-1:${account.accountId}:function:made`,
    });
    const invoke = () => client.send(new InvokeCommand({ FunctionName: "made" }));
    await expect(invoke()).rejects.toMatchObject({ name: "ResourceConflictException" });
    await waitUntilFunctionActiveV2({ client, ...QUICKLY }, { FunctionName: "made" });
    const again = client.send(new CreateFunctionCommand(await input({ Role: account.roleArn })));
    await expect(again).rejects.toMatchObject({
      name: "ResourceConflictException",
      $metadata: { httpStatusCode: 409 },
    });
    const got = await client.send(new GetFunctionCommand({ FunctionName: made.FunctionArn! }));
    expect(got).toMatchObject({
      Configuration: { State: "Active", LastUpdateStatus: "Successful" },
      Tags: { a: "b" },
    });
    expect((await client.send(new ListFunctionsCommand())).Functions).toMatchObject([
      { FunctionName: "made" },
    ]);
  });

  it("updates code and settings one at a time, and runs what is new", async () => {
    const { name: FunctionName, client, invoke } = await createFunction(lambda());
    await invoke({});
    const ZipFile = await zipOf({ "index.mjs": "export const handler = async () => process.env.NEW + 2;" });
    const updated = await client.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
    expect(updated.LastUpdateStatus).toBe("InProgress");
    const configure = () =>
      client.send(
        new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables: { NEW: "v" } } }),
      );
    await expect(configure()).rejects.toMatchObject({
      name: "ResourceConflictException",
      message: expect.stringContaining("An update is in progress for resource: arn:aws:lambda:us-east-1:"),
    });
    await waitUntilFunctionUpdatedV2({ client, ...QUICKLY }, { FunctionName });
    await configure();
    await waitUntilFunctionUpdatedV2({ client, ...QUICKLY }, { FunctionName });
    expect((await invoke({})).payload).toBe("v2");
    const { CodeSha256 } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    expect(CodeSha256).toBe(updated.CodeSha256);
  });

  it("deletes a function", async () => {
    const { name: FunctionName, client, invoke } = await createFunction(lambda());
    await client.send(new DeleteFunctionCommand({ FunctionName }));
    await expect(invoke({})).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: expect.stringMatching(/^Function not found: arn:aws:lambda:us-east-1:\d{12}:function:/),
    });
  });

  it("knows each function in its own region alone", async () => {
    const { name: FunctionName } = await createFunction(lambda());
    const elsewhere = lambdaClient(lambda(), "eu-central-1");
    await expect(elsewhere.send(new GetFunctionCommand({ FunctionName }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: `Function not found: arn:aws:lambda:eu-central-1:${lambda().accountId}:function:${FunctionName}`,
    });
  });

  it("keeps tags", async () => {
    const { name, client } = await createFunction(lambda());
    const Resource = `arn:aws:lambda:us-east-1:${lambda().accountId}:function:${name}`;
    await client.send(new TagResourceCommand({ Resource, Tags: { a: "1", b: "2" } }));
    await client.send(new UntagResourceCommand({ Resource, TagKeys: ["a"] }));
    expect((await client.send(new ListTagsCommand({ Resource }))).Tags).toEqual({ b: "2" });
  });

  it("tells and reserves concurrency", async () => {
    const account = await lambda().openAccount({ concurrency: 20, unreservedConcurrency: 5 });
    const { name: FunctionName, client } = await createFunction(account);
    const reserve = (ReservedConcurrentExecutions: number) =>
      client.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions }));
    await reserve(15);
    await expect(reserve(16)).rejects.toMatchObject({ name: "InvalidParameterValueException" });
    const { AccountLimit } = await client.send(new GetAccountSettingsCommand());
    expect(AccountLimit).toMatchObject({ ConcurrentExecutions: 20, UnreservedConcurrentExecutions: 5 });
  });

  it.each<[string, Partial<CreateFunctionCommandInput>, string]>([
    [
      "too little memory",
      { MemorySize: 64 },
      "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
    ],
    ["too much memory", { MemorySize: 10_241 }, "less than or equal to 10240"],
    ["no time", { Timeout: 0 }, "greater than or equal to 1"],
    ["too long a timeout", { Timeout: 901 }, "less than or equal to 900"],
    ["too small a /tmp", { EphemeralStorage: { Size: 511 } }, "greater than or equal to 512"],
    ["an unknown runtime", { Runtime: "nodejs99.x" as "nodejs24.x" }, "enum value set"],
    ["a bad name", { FunctionName: "a b" }, "functionName"],
    ["a reserved variable", { Environment: { Variables: { AWS_REGION: "x" } } }, "reserved keys"],
    ["more than 4 KB of variables", { Environment: { Variables: { BIG: "x".repeat(4096) } } }, "4KB limit"],
    ["what isn't a zip", { Code: { ZipFile: Buffer.from("no zip") } }, "Could not unzip uploaded file"],
    [
      "a role that isn't there",
      { Role: "arn:aws:iam::123456789012:role/nobody" },
      "cannot be assumed by Lambda",
    ],
  ])("refuses %s", async (_what, more, message) => {
    const creating = lambdaClient(lambda()).send(new CreateFunctionCommand(await input(more)));
    await expect(creating).rejects.toMatchObject({
      message: expect.stringContaining(message),
      $metadata: { httpStatusCode: 400 },
    });
  });

  it("refuses what the caller may not do, with AWS's words", async () => {
    const account = await lambda().openAccount();
    await account.deny("lambda:CreateFunction");
    const creating = lambdaClient(account).send(
      new CreateFunctionCommand(await input({ Role: account.roleArn })),
    );
    await expect(creating).rejects.toMatchObject({
      name: "AccessDeniedException",
      message: `User: ${account.callerArn} is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:us-east-1:${account.accountId}:function:made because no identity-based policy allows the lambda:CreateFunction action`,
    });
    await account.allow("lambda:CreateFunction");
    await createFunction(account);
  });

  it("refuses a wrong signature, and strangers", async () => {
    const ask = (credentials: { accessKeyId: string; secretAccessKey: string }) =>
      lambdaClient({ ...lambda(), credentials } as LambdaAccount).send(new ListFunctionsCommand());
    const { accessKeyId, secretAccessKey } = lambda().credentials;
    await expect(ask({ accessKeyId, secretAccessKey: "x" })).rejects.toMatchObject({
      name: "InvalidSignatureException",
    });
    await expect(ask({ accessKeyId: "STRANGER", secretAccessKey })).rejects.toMatchObject({
      name: "UnrecognizedClientException",
    });
    expect((await fetch(`${lambda().endpoint}/2015-03-31/functions`)).status).toBe(403);
  });
});

describeWith("lambda", "IAM, STS and CloudWatch Logs of the double", (lambda) => {
  it("make roles that Lambda may assume a little later", async () => {
    const account = await lambda().openAccount({ rolePropagationMs: 300 });
    const iam = new IAMClient(settings(account));
    const RoleName = "made-role";
    const trust = {
      Statement: [
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ],
    };
    await expect(iam.send(new GetRoleCommand({ RoleName }))).rejects.toMatchObject({
      name: "NoSuchEntityException",
    });
    const AssumeRolePolicyDocument = JSON.stringify(trust);
    const made = await iam.send(
      new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument, Tags: [{ Key: "a", Value: "<&>" }] }),
    );
    await expect(createFunction(account, { Role: made.Role!.Arn! })).rejects.toMatchObject({
      message: "The role defined for the function cannot be assumed by Lambda.",
    });
    await vi.waitFor(() => createFunction(account, { Role: made.Role!.Arn! }), PATIENCE_MS);
    await expect(
      iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument })),
    ).rejects.toMatchObject({ name: "EntityAlreadyExistsException" });
    expect((await iam.send(new GetRoleCommand({ RoleName }))).Role).toMatchObject({
      Arn: made.Role!.Arn,
      Tags: [{ Key: "a", Value: "<&>" }],
    });
    await iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName: "p", PolicyDocument: '{"Statement":[]}' }),
    );
    expect((await iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames).toEqual(["p"]);
    expect((await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }))).AttachedPolicies).toEqual([]);
    await expect(iam.send(new DeleteRoleCommand({ RoleName }))).rejects.toMatchObject({
      name: "DeleteConflictException",
    });
    await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "p" }));
    await iam.send(new DeleteRoleCommand({ RoleName }));
    await account.deny("iam:CreateRole");
    await expect(
      iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument })),
    ).rejects.toMatchObject({
      name: "AccessDenied",
      message: expect.stringContaining(
        `iam:CreateRole on resource: arn:aws:iam::${account.accountId}:role/made-role`,
      ),
    });
  });

  it("say who calls", async () => {
    const identity = await new STSClient(settings(lambda())).send(new GetCallerIdentityCommand());
    expect(identity).toMatchObject({ Account: lambda().accountId, Arn: lambda().callerArn });
  });

  it("keep what functions print, and find it again", async () => {
    const { name, invoke } = await createFunction(lambda());
    const logs = new CloudWatchLogsClient(settings(lambda()));
    const { payload } = await invoke({
      log: "needle\nin two lines",
      print: "plain one\nplain two\n",
      warn: "to stderr\n",
    });
    const logGroupName = `/aws/lambda/${name}`;
    const find = async (filterPattern: string) =>
      (await logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern }))).events!.map(
        ({ message }) => message!,
      );
    await expect.poll(() => find("REPORT")).toHaveLength(1);
    const [needle] = await find(`"needle"`);
    expect(needle).toMatch(new RegExp(`\\t${payload.requestId}\\tINFO\\tneedle\\nin two lines\\n$`));
    const { logStreams } = await logs.send(
      new DescribeLogStreamsCommand({ logGroupName, orderBy: "LastEventTime", descending: true }),
    );
    expect(logStreams).toMatchObject([
      { logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/) },
    ]);
    const { events } = await logs.send(
      new GetLogEventsCommand({
        logGroupName,
        logStreamName: logStreams![0]!.logStreamName!,
        startFromHead: true,
      }),
    );
    const lines = events!.map(({ message }) => message!.trimEnd());
    expect(lines[0]).toMatch(/^INIT_START Runtime Version: nodejs:24/);
    expect(lines[1]).toBe(`START RequestId: ${payload.requestId} Version: $LATEST`);
    expect(lines).toEqual(expect.arrayContaining(["plain one", "plain two", "to stderr"]));
    expect(lines.at(-2)).toBe(`END RequestId: ${payload.requestId}`);
    expect(lines.at(-1)).toMatch(
      /^REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms$/,
    );
  });

  it("make, keep and delete log groups", async () => {
    const logs = new CloudWatchLogsClient(settings(lambda()));
    const logGroupName = "/aws/lambda/by-hand";
    await logs.send(new CreateLogGroupCommand({ logGroupName }));
    await expect(logs.send(new CreateLogGroupCommand({ logGroupName }))).rejects.toMatchObject({
      name: "ResourceAlreadyExistsException",
    });
    await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 }));
    await logs.send(new DeleteLogGroupCommand({ logGroupName }));
    await expect(logs.send(new FilterLogEventsCommand({ logGroupName }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  });
});
