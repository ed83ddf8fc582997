import { pricesIn } from "../../cost/prices.ts";
import { UsageError } from "../../errors.ts";
import type { AwsOptions } from "../../options.ts";
import { type StoreLocation, showStoreLocation } from "../../storage/locate.ts";
import type { ComputePrices } from "../contract.ts";
import type { KnownBefore } from "../late.ts";
import type { LambdaRuntime, ResolvedAwsOptions } from "./deploy/contract.ts";

/** Source: AWS Lambda Developer Guide, "Lambda runtimes". */
export const WORKER_RUNTIME: LambdaRuntime = "nodejs24.x";

type Environment = Readonly<Record<string, string | undefined>>;

/** As AWS SDKs do, in this order. */
const ENDPOINTS = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"] as const;

/**
 * Fills in what `aws` leaves open: the region from AWS_REGION or AWS_DEFAULT_REGION, another server from
 * AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL.
 * @throws UsageError BAD_OPTION where no region is known, or workers on Lambda couldn't reach the store
 */
export function resolveAwsOptions(
  options: AwsOptions | undefined,
  storage: StoreLocation,
  env: Environment = process.env,
): ResolvedAwsOptions {
  if (storage.kind !== "s3") throw outOfReach(storage);
  const { roleArn, functionName, read, ...given } = options ?? {};
  const region = given.region ?? (env["AWS_REGION"] || env["AWS_DEFAULT_REGION"]);
  if (!region) {
    throw new UsageError("BAD_OPTION", "the region for AWS Lambda isn't known", {
      remedy: 'Set AWS_REGION, or the option aws: { region: "eu-west-1" }.',
      details: { option: "aws.region" },
    });
  }
  const endpoint = ENDPOINTS.map((name) => env[name]).find(Boolean);
  const memoryMb = given.memoryMb ?? 1769;
  return {
    region,
    ...(endpoint ? { endpoint: endpoint.replace(/\/+$/, "") } : {}),
    architecture: given.architecture ?? "arm64",
    runtime: given.runtime ?? WORKER_RUNTIME,
    memoryMb,
    maxMemoryMb: Math.max(memoryMb, given.maxMemoryMb ?? 10_240),
    timeoutS: given.timeoutS ?? 900,
    ephemeralStorageMb: given.ephemeralStorageMb ?? 512,
    ...(roleArn ? { roleArn } : {}),
    ...(functionName ? { functionName } : {}),
    storage,
    read: read ?? [],
  };
}

/** What is known of the backend before it is loaded. */
export function lambdaFacts(aws: ResolvedAwsOptions, slots: number, maxSlots: number) {
  return {
    description: `AWS Lambda in ${aws.region}, up to ${slots} environments of ${aws.memoryMb} MB`,
    maxSlots,
    target: { platform: "linux" as const, arch: aws.architecture, node: aws.runtime.replace(/\D/g, "") },
    memory: { defaultMb: aws.memoryMb, maxMb: aws.functionName ? aws.memoryMb : aws.maxMemoryMb },
    maxTaskMs: aws.timeoutS * 1000,
    prices: lambdaPrices(aws),
    takesGuests: true as const,
  } satisfies KnownBefore;
}

function lambdaPrices({ region, architecture }: ResolvedAwsOptions): ComputePrices {
  const { name, asOf, lambda } = pricesIn(region);
  const usdPerGbSecond = lambda.usdPerGbSecond[architecture === "x64" ? "x86_64" : "arm64"];
  return { name: `${name}, ${asOf}`, usdPerGbSecond, usdPerRequest: lambda.usdPerRequest };
}

function outOfReach(storage: StoreLocation): UsageError {
  const where = showStoreLocation(storage);
  const what =
    storage.kind === "disk"
      ? `the folder ${where} of this machine`
      : `${where}, which is in your own network`;
  return new UsageError("BAD_OPTION", `Lambda workers can't see ${what}`, {
    remedy: "Set storage to s3://bucket/prefix (option storage, or KINGLET_STORAGE).",
    details: { option: "storage" },
  });
}
