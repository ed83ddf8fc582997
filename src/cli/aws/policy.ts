import { policyScope } from "../../compute/lambda/deploy/functions.ts";
import { deployerPolicy, userPolicy, workerPolicy } from "../../compute/lambda/deploy/policy.ts";
import { UsageError } from "../../errors.ts";
import { EXIT } from "../exit-codes.ts";
import { printJson } from "../output.ts";
import { type AwsFlags, awsTarget, checkCloud } from "./target.ts";

export interface PolicyOptions extends AwsFlags {
  /** Whose. */
  readonly for?: string;
}

const POLICIES = { worker: workerPolicy, user: userPolicy, deployer: deployerPolicy };

/** `kinglet policy aws`: policies as IAM takes them, for a store and a region. Asks nobody and changes nothing. */
export async function policy(cloud: string, options: PolicyOptions): Promise<number> {
  checkCloud(cloud);
  const scope = policyScope(awsTarget(options));
  const whose = options.for;
  if (whose === undefined) {
    const all = Object.entries(POLICIES).map(([name, policyOf]) => [name, policyOf(scope)] as const);
    printJson(Object.fromEntries(all));
    return EXIT.ok;
  }
  const policyOf = (POLICIES as Partial<Record<string, typeof workerPolicy>>)[whose];
  if (!policyOf) {
    throw new UsageError("BAD_ARGUMENT", `--for: there is no policy for ${JSON.stringify(whose)}`, {
      remedy: `Write one of ${Object.keys(POLICIES).join(", ")}.`,
    });
  }
  printJson(policyOf(scope));
  return EXIT.ok;
}
