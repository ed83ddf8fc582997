import { describe, expect, it } from "vitest";
import { resolveAwsOptions } from "../../../src/compute/lambda/options.ts";
import { openPool } from "../../../src/index.ts";
import { checkPoolOptions } from "../../../src/options.ts";
import { thrown } from "../../support/pools.ts";

const S3 = { kind: "s3", bucket: "my-bucket", prefix: "" } as const;

describe("options of workers on AWS Lambda", () => {
  it.each([
    ["region", "Frankfurt", /aws\.region is "Frankfurt"; expected the name of a region, such as "eu-west-1"/],
    ["memoryMb", 64, /aws\.memoryMb is 64; expected a whole number from 128 to 10,240/],
    ["maxMemoryMb", 20_000, /aws\.maxMemoryMb is 20000/],
    ["timeoutS", 901, /aws\.timeoutS is 901; expected a whole number from 1 to 900/],
    ["ephemeralStorageMb", 100, /from 512 to 10,240/],
    ["architecture", "riscv", /expected "arm64" or "x64"/],
    ["roleArn", "kinglet", /expected the ARN of a role/],
    ["functionName", "a b", /expected 1 to 64 letters/],
  ])("aws.%s: %j is refused, with its range", (option, value, message) => {
    const error = thrown(() => checkPoolOptions({ aws: { [option]: value } }, "openPool"));
    expect(error).toMatchObject({ code: "BAD_OPTION", option: `aws.${option}` });
    expect(error.message).toMatch(message);
  });

  it("that don't exist are refused, with the nearest one", () => {
    const error = thrown(() => checkPoolOptions({ aws: { memoryMB: 512 } }, "openPool"));
    expect(error).toMatchObject({ code: "UNKNOWN_OPTION", option: "aws.memoryMB" });
    expect(error.message).toContain("Did you mean aws.memoryMb?");
  });

  it("need a region, from the option or the environment", () => {
    expect(thrown(() => resolveAwsOptions({}, S3, {}))).toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringContaining("Set AWS_REGION"),
    });
    expect(resolveAwsOptions({}, S3, { AWS_DEFAULT_REGION: "eu-west-1" }).region).toBe("eu-west-1");
    expect(resolveAwsOptions({ region: "us-east-1" }, S3, { AWS_REGION: "eu-west-1" }).region).toBe(
      "us-east-1",
    );
  });

  it("have the defaults that the documentation gives", () => {
    const { region: _, ...defaults } = resolveAwsOptions(undefined, S3, { AWS_REGION: "eu-west-1" });
    expect(defaults).toEqual({
      architecture: "arm64",
      memoryMb: 1769,
      maxMemoryMb: 10_240,
      timeoutS: 900,
      ephemeralStorageMb: 512,
      runtime: "nodejs24.x",
      storage: S3,
      read: [],
    });
  });

  it("need a store that workers elsewhere can reach", () => {
    const env = { AWS_REGION: "eu-west-1" };
    expect(
      thrown(() => resolveAwsOptions({}, { kind: "disk", root: "/home/me/.kinglet" }, env)),
    ).toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringMatching(/can't see the folder \/home\/me\/\.kinglet.*\n.*Set storage to s3:/),
    });
    const error = thrown(() => openPool({ compute: "aws-lambda", aws: { region: "eu-west-1" } }));
    expect(error).toMatchObject({ code: "BAD_OPTION", option: "storage" });
  });
});
