import { IAM } from "@aws-sdk/client-iam";
import { Lambda } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LambdaAccount } from "../services/lambda/account-client.ts";
import { describeWith, s3Service } from "../services/services.ts";
import { Folder, kinglet } from "./kinglet.ts";

const PLACE = ["--storage", "s3://bucket/jobs", "--region", "eu-west-1"];

describe("commands for a cloud that need none", () => {
  let folder: Folder;
  beforeAll(() => {
    folder = new Folder();
  });
  afterAll(() => folder.remove());
  const ran = (...args: string[]) => kinglet(args, { cwd: folder.path });

  it("print the policies of workers, users and deployers", async () => {
    const { code, stdout } = await ran("policy", "aws", ...PLACE);
    expect(code).toBe(0);
    const policies = JSON.parse(stdout);
    expect(Object.keys(policies)).toEqual(["worker", "user", "deployer"]);
    const { stdout: one } = await ran(
      "policy",
      "aws",
      ...PLACE,
      "--for",
      "worker",
      "--read",
      "s3://logs/2026",
    );
    const worker = JSON.parse(one);
    expect(worker.Version).toBe("2012-10-17");
    expect(JSON.stringify(worker)).toContain("arn:aws:s3:::logs/2026/*");
    expect(JSON.stringify(worker)).not.toMatch(/lambda:|iam:/);
  });

  it.each([
    ["an unknown cloud", ["deploy", "azure"], /BAD_ARGUMENT there is no cloud "azure"/],
    [
      "no store",
      ["deploy", "aws", "--region", "eu-west-1"],
      /BAD_OPTION workers on AWS Lambda need a store in S3/,
    ],
    [
      "a folder as the store",
      ["deploy", "aws", "--storage", "x", "--region", "eu-west-1"],
      /can't see the folder/,
    ],
    ["no region", ["status", "aws"], /BAD_OPTION the region for AWS Lambda isn't known/],
    ["a bad size", ["deploy", "aws", ...PLACE, "--memory-mb", "64"], /aws\.memoryMb is 64; expected/],
    ["a bad role", ["deploy", "aws", ...PLACE, "--role-arn", "me"], /aws\.roleArn/],
    ["nobody's policy", ["policy", "aws", ...PLACE, "--for", "me"], /no policy for "me"/],
  ])("refuse %s with exit code 2", async (_what, args, message) => {
    const { code, stderr, stdout } = await ran(...args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

describeWith("lambda", "the command line on AWS Lambda", (lambda) => {
  let folder: Folder;
  let account: LambdaAccount;
  let storage: string;
  beforeAll(async () => {
    folder = new Folder();
    storage = `s3://${await (await s3Service()).makeBucket()}/jobs`;
  });
  beforeEach(async () => {
    account = await lambda().openAccount();
  });
  afterAll(() => folder.remove());

  const ran = (...args: string[]) =>
    kinglet(args, { cwd: folder.path, env: { ...account.env, KINGLET_STORAGE: storage } });
  const functionsOf = async () => (await new Lambda({ ...account }).listFunctions({})).Functions!;
  const rolesOf = async () =>
    (await new IAM({ ...account }).listRoles({})).Roles!.map(({ RoleName }) => RoleName!);

  it("says what it would make, and makes none of it", async () => {
    const { code, stdout } = await ran("deploy", "aws", "--dry-run", "--memory-mb", "512");
    expect(code).toBe(0);
    expect(stdout).toMatch(/to be made +role +kinglet-worker-us-east-1-[0-9a-f]{8}/);
    expect(stdout).toMatch(/to be made +log group +\/aws\/lambda\/kinglet-[0-9a-f]{8}-arm64-512-0/);
    expect(stdout).toMatch(/to be made +function +kinglet-[0-9a-f]{8}-arm64-512-0/);
    expect(stdout).toContain('"s3:PutObject"');
    expect(stdout).toContain("Nothing was changed.");
    expect(await functionsOf()).toEqual([]);
    expect(await rolesOf()).toEqual(["established-role"]);
  });

  it("deploys, shows and destroys, and leaves nothing", async () => {
    const deployed = await ran("deploy", "aws", "--memory-mb", "256", "--memory-mb", "512", "--copies", "2");
    expect(deployed.code).toBe(0);
    expect(deployed.stdout.match(/^made/gm)).toHaveLength(4);
    const again = await ran("deploy", "aws", "--memory-mb", "256");
    expect(again.stdout.match(/^found/gm)).toHaveLength(1);

    const { stdout: shown } = await ran("status", "aws");
    expect(shown.match(/^kinglet-[0-9a-f]{8}-arm64-(256|512)-[01] /gm)).toHaveLength(4);
    expect(shown).toContain(storage);
    expect(shown).toMatch(/1 role, 4 log groups; the account may run 10 environments at a time in us-east-1/);
    expect(shown).not.toContain("--old");

    const asked = await ran("destroy", "aws");
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stderr).toContain("Add --yes");
    expect(await functionsOf()).toHaveLength(4);

    const { code, stderr } = await ran("destroy", "aws", "--yes");
    expect(code).toBe(0);
    expect(stderr.match(/^deleted {2}(function|role|log group)/gm)).toHaveLength(9);
    expect(await functionsOf()).toEqual([]);
    expect(await rolesOf()).toEqual(["established-role"]);
    expect((await ran("destroy", "aws")).stdout).toContain("nothing to delete");
    expect((await ran("status", "aws")).stdout).toMatch(/No worker functions.*\n\n0 roles, 0 log groups/);
  });

  it("destroys with --old what other versions left, and nothing that this one uses", async () => {
    await ran("deploy", "aws", "--memory-mb", "256");
    const client = new Lambda({ ...account });
    const [current] = await functionsOf();
    const { ECHO, zipOf } = await import("../compute/lambda/deploy-parts.ts");
    await client.createFunction({
      FunctionName: "kinglet-00000000-arm64-256-0",
      Runtime: "nodejs22.x",
      Handler: "handler.handler",
      Role: account.roleArn,
      Code: { ZipFile: zipOf(ECHO).bytes },
      Tags: { "kinglet:version": "0.0.1" },
    });
    expect((await ran("status", "aws")).stdout).toMatch(
      /0\.0\.1 \(old\)[\s\S]*1 function, 0 roles, 0 log groups/,
    );
    const { code } = await ran("destroy", "aws", "--old", "--yes");
    expect(code).toBe(0);
    expect((await functionsOf()).map(({ FunctionName }) => FunctionName)).toEqual([current!.FunctionName]);
    expect(await rolesOf()).toHaveLength(2);
  });

  it("leaves other people's functions and roles alone", async () => {
    const { ECHO, zipOf } = await import("../compute/lambda/deploy-parts.ts");
    await new Lambda({ ...account }).createFunction({
      FunctionName: "kinglet-website",
      Runtime: "nodejs22.x",
      Handler: "handler.handler",
      Role: account.roleArn,
      Code: { ZipFile: zipOf(ECHO).bytes },
    });
    expect((await ran("destroy", "aws", "--yes")).code).toBe(0);
    expect(await functionsOf()).toHaveLength(1);
  });

  it("names a missing permission and what mends it", async () => {
    await account.deny("lambda:ListFunctions");
    const { code, stderr } = await ran("status", "aws");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /COMPUTE_REFUSED .*may not lambda:ListFunctions\b.*\n.*kinglet policy aws --for deployer/,
    );
  });

  describe("kinglet doctor", () => {
    const doctor = () =>
      kinglet(["doctor"], {
        cwd: folder.path,
        env: { ...account.env, KINGLET_STORAGE: storage, KINGLET_COMPUTE: "aws-lambda" },
      });

    it("finds who asks, the function, and the limits", async () => {
      const before = await doctor();
      expect(before.stdout).toContain(`${account.callerArn} of account ${account.accountId}`);
      expect(before.stdout).toMatch(/ok +function .*isn't there yet: the first job makes it/);
      await ran("deploy", "aws");
      const { code, stdout } = await doctor();
      expect(stdout).toMatch(/ok +storage/);
      expect(stdout).toMatch(/ok +function +kinglet-\S+ is active, and may be invoked/);
      expect(stdout).toMatch(/ok +limits +10 environments at a time.*adapt to it.*Service Quotas/);
      expect(code).toBe(0);
    });

    it("says which permission is missing", async () => {
      await ran("deploy", "aws");
      await account.deny("lambda:InvokeFunction");
      const { code, stdout } = await doctor();
      expect(stdout).toMatch(
        /PROBLEM +function .*may not lambda:InvokeFunction on arn:.*\n.*kinglet policy aws/,
      );
      expect(code).toBe(1);
    });

    it("says which credentials are wrong, and asks nothing more with them", async () => {
      const { stdout } = await kinglet(["doctor"], {
        cwd: folder.path,
        env: {
          ...account.env,
          KINGLET_STORAGE: storage,
          KINGLET_COMPUTE: "aws-lambda",
          AWS_ACCESS_KEY_ID: "AKIAUNKNOWN",
        },
      });
      expect(stdout).toMatch(/PROBLEM +storage/);
      expect(stdout).not.toContain("function ");
    });
  });
});
