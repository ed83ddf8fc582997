import type { AwsApis } from "../../compute/lambda/deploy/apis.ts";
import type { ResolvedAwsOptions } from "../../compute/lambda/deploy/contract.ts";
import { awsFailure } from "../../compute/lambda/deploy/failures.ts";
import { findFunction } from "../../compute/lambda/deploy/functions.ts";
import { concurrencyLimits } from "../../compute/lambda/deploy/inventory.ts";
import { planDeploy } from "../../compute/lambda/deploy/plan.ts";
import { workerZip } from "../../compute/lambda/deploy/worker-zip.ts";
import { resolvePoolOptions } from "../../config.ts";
import { KingletError } from "../../errors.ts";
import { formatCount } from "../../observe/text.ts";
import { version } from "../../version.ts";
import type { StorageOption } from "../store.ts";
import { awsTarget, withApis } from "./target.ts";

/** Environments of an account whose limit nobody has raised; new ones often have 10. */
const USUAL_CONCURRENCY = 1000;

export type CloudCheck = keyof typeof CHECKS;

/** What `kinglet doctor` looks at where tasks run on AWS Lambda; nothing is made. @throws KingletError */
export function runCheck(what: CloudCheck, options: StorageOption): Promise<string> {
  const aws = awsTarget(options);
  return withApis(aws, async (apis) => CHECKS[what](apis, aws));
}

const CHECKS = {
  identity: checkIdentity,
  region: describeRegion,
  function: checkFunction,
  concurrency: checkConcurrency,
} as const;

/** Who asks. @throws KingletError COMPUTE_REFUSED, COMPUTE_UNAVAILABLE */
async function checkIdentity(apis: AwsApis, { region }: ResolvedAwsOptions): Promise<string> {
  try {
    const { Arn, Account } = await (await apis.sts()).getCallerIdentity({});
    return `${Arn} of account ${Account}, region ${region}`;
  } catch (error) {
    throw awsFailure(error, { action: "find out whose credentials these are", region });
  }
}

/** The bucket in another region costs time and money; it works, so it is only said. */
function describeRegion(_apis: AwsApis, { region, storage }: ResolvedAwsOptions): string {
  const stored = storage.region ?? region;
  if (stored === region) return region;
  return `${region}, but the bucket is in ${stored}: slower, and each GB between regions is paid for`;
}

/** The function that a job would use, and whether it may be invoked. Makes none. */
async function checkFunction(apis: AwsApis, aws: ResolvedAwsOptions): Promise<string> {
  const { region, functionName, memoryMb } = aws;
  const name =
    functionName ??
    (await planDeploy(apis, aws, await workerZip(), [{ memoryMb, copy: 0 }])).functions[0]!.name;
  try {
    const lambda = await apis.lambda();
    const config = await findFunction(lambda, name);
    if (!config && functionName === undefined) {
      return `${name} isn't there yet: the first job makes it, or kinglet deploy aws`;
    }
    if (!config) {
      throw new KingletError("NOT_FOUND", `there is no function ${name} in ${region}`, {
        remedy: "Set AWS_REGION to its region, or leave out aws.functionName: Kinglet makes its own.",
      });
    }
    if (config.State === "Failed") {
      throw new KingletError(
        "COMPUTE_REFUSED",
        `${name} can't run: ${config.StateReason ?? "no reason given"}`,
        {
          remedy: "`kinglet destroy aws` removes it; the next job makes it anew.",
        },
      );
    }
    await lambda.invoke({ FunctionName: name, InvocationType: "DryRun" });
    return `${name} is ${(config.State ?? "Active").toLowerCase()}, and may be invoked (Kinglet ${version})`;
  } catch (error) {
    throw awsFailure(error, { action: `invoke the function ${name}`, region });
  }
}

/** How many environments the account allows, against what the pool would use. */
async function checkConcurrency(apis: AwsApis, { region }: ResolvedAwsOptions): Promise<string> {
  const { total, unreserved } = await concurrencyLimits(apis, region);
  const found = `${formatCount(total)} environments at a time, ${formatCount(unreserved)} of them unreserved`;
  const wanted = resolvePoolOptions({}).concurrency ?? USUAL_CONCURRENCY;
  if (unreserved >= wanted) return found;
  return `${found}: jobs that want ${formatCount(wanted)} adapt to it. More for the asking: Service Quotas, "Concurrent executions"`;
}
