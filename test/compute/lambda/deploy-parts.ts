import { packWorker } from "../../../scripts/pack-worker.ts";
import type { ResolvedAwsOptions } from "../../../src/compute/lambda/deploy/contract.ts";
import type { WorkerFunctionsParts } from "../../../src/compute/lambda/deploy/functions.ts";
import type { WorkerZip } from "../../../src/compute/lambda/deploy/worker-zip.ts";
import { resolveAwsOptions } from "../../../src/compute/lambda/options.ts";
import type { AwsOptions } from "../../../src/options.ts";
import { parseS3Location } from "../../../src/storage/s3/location.ts";
import type { LambdaAccount } from "../../services/lambda/account-client.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

/** A worker that answers what it was asked. */
export const ECHO = "export const handler = async (event) => ({ echo: event });";

export function zipOf(text: string): WorkerZip {
  const { zip, manifest } = packWorker({ "handler.mjs": Buffer.from(text) }, "handler.handler");
  return { bytes: zip, sha256: manifest.sha256, handler: manifest.handler };
}

/** Options of a pool with workers in this account, its store in a bucket that needn't exist. */
export function awsOptions(account: LambdaAccount, options: AwsOptions = {}): ResolvedAwsOptions {
  const env = { ...account.env };
  return resolveAwsOptions(options, parseS3Location("s3://a-bucket/some/prefix", env), env);
}

/** AWS's own steps take the double a fraction of a second. */
export const QUICK: WorkerFunctionsParts = {
  zip: async () => zipOf(ECHO),
  patience: { pollMs: 20, maxPollMs: 100, readyMs: PATIENCE_MS, roleAgeMs: 0 },
};
