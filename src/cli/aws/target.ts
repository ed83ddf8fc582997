import { type AwsApis, awsApis } from "../../compute/lambda/deploy/apis.ts";
import type { ResolvedAwsOptions } from "../../compute/lambda/deploy/contract.ts";
import { resolveAwsOptions } from "../../compute/lambda/options.ts";
import { resolvePoolOptions } from "../../config.ts";
import { UsageError } from "../../errors.ts";
import { type AwsOptions, checkPoolOptions } from "../../options.ts";
import { parseStoreLocation } from "../../storage/locate.ts";
import type { StorageOption } from "../store.ts";

/** Options that commands for a cloud have in common. */
export interface CloudOptions extends StorageOption {
  readonly region?: string;
  readonly json?: boolean;
}

/** As the command line gives them; each as the option of `aws` of that name. */
export interface AwsFlags extends CloudOptions {
  readonly architecture?: string;
  readonly runtime?: string;
  readonly memoryMb?: readonly number[];
  readonly timeoutS?: number;
  readonly ephemeralStorageMb?: number;
  readonly roleArn?: string;
  readonly read?: readonly string[];
}

/** The one cloud that there is. @throws UsageError BAD_ARGUMENT */
export function checkCloud(cloud: string): void {
  if (cloud === "aws") return;
  throw new UsageError("BAD_ARGUMENT", `there is no cloud ${JSON.stringify(cloud)}`, {
    remedy: "Write aws: workers on AWS Lambda.",
  });
}

/**
 * The options of a pool that is opened here with `compute: "aws-lambda"`, and those of the command line before them.
 * @throws UsageError
 */
export function awsTarget(flags: AwsFlags, env: NodeJS.ProcessEnv = process.env): ResolvedAwsOptions {
  const pool = resolvePoolOptions(flags.storage === undefined ? {} : { storage: flags.storage });
  const { architecture, runtime, timeoutS, ephemeralStorageMb, roleArn, read, region } = flags;
  const given = { architecture, runtime, timeoutS, ephemeralStorageMb, roleArn, read, region };
  const memoryMb = flags.memoryMb?.[0];
  const aws = { ...pool.aws, ...defined({ ...given, memoryMb }) } as AwsOptions;
  checkPoolOptions({ aws }, "the command line");
  if (pool.storage === undefined) throw noStorage();
  return resolveAwsOptions(aws, parseStoreLocation(pool.storage, undefined, aws.region), env);
}

const defined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

const noStorage = (): UsageError =>
  new UsageError("BAD_OPTION", "workers on AWS Lambda need a store in S3, and none is named", {
    remedy: "Name it: --storage s3://bucket/prefix, KINGLET_STORAGE, or storage in kinglet.config.ts.",
    details: { option: "storage" },
  });

/** Only the region matters: all that Kinglet made in it, for whatever store. */
export function regionOf(flags: CloudOptions): { region: string; endpoint?: string } {
  const { aws } = resolvePoolOptions({});
  const options = { ...aws, ...(flags.region === undefined ? {} : { region: flags.region }) };
  checkPoolOptions({ aws: options }, "the command line");
  // Any store would do.
  const { region, endpoint } = resolveAwsOptions(
    options,
    parseStoreLocation("s3://any-bucket?region=us-east-1"),
  );
  return { region, ...(endpoint === undefined ? {} : { endpoint }) };
}

/** Runs it with AWS's clients, and closes them. */
export async function withApis<T>(
  place: { readonly region: string; readonly endpoint?: string },
  use: (apis: AwsApis) => Promise<T>,
): Promise<T> {
  const apis = awsApis(place);
  try {
    return await use(apis);
  } finally {
    apis.close();
  }
}
