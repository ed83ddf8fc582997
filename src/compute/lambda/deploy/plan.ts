import type { AwsApis } from "./apis.ts";
import type { ResolvedAwsOptions, WorkerFunctionSpec } from "./contract.ts";
import { awsFailure } from "./failures.ts";
import { findFunction, functionNameFor, policyScope } from "./functions.ts";
import { logGroupOf, roleNameOf } from "./names.ts";
import { type PolicyDocument, workerPolicy } from "./policy.ts";
import { findRole } from "./role.ts";
import type { WorkerZip } from "./worker-zip.ts";

/** What deploying would find and make. */
export interface DeployPlan {
  readonly region: string;
  readonly functions: readonly PlannedFunction[];
  readonly role: {
    readonly name: string;
    readonly isThere: boolean;
    readonly policy: PolicyDocument | undefined;
  };
  readonly zipBytes: number;
}

export interface PlannedFunction extends WorkerFunctionSpec {
  readonly name: string;
  readonly isThere: boolean;
  readonly logGroup: string;
}

/** Looks, and changes nothing. @throws KingletError COMPUTE_REFUSED, COMPUTE_UNAVAILABLE */
export async function planDeploy(
  apis: AwsApis,
  aws: ResolvedAwsOptions,
  zip: WorkerZip,
  specs: readonly WorkerFunctionSpec[],
): Promise<DeployPlan> {
  const { region, roleArn } = aws;
  const policy = workerPolicy(policyScope(aws));
  try {
    const lambda = await apis.lambda();
    const functions = await Promise.all(
      specs.map(async (spec) => {
        const name = functionNameFor(aws, policy, zip.sha256, spec);
        const isThere = (await findFunction(lambda, name)) !== undefined;
        return { ...spec, name, isThere, logGroup: logGroupOf(name) };
      }),
    );
    const roleName = roleNameOf(policy, region);
    const role =
      roleArn === undefined
        ? { name: roleName, isThere: (await findRole(await apis.iam(), roleName)) !== undefined, policy }
        : { name: roleArn, isThere: true, policy: undefined };
    return { region, functions, role, zipBytes: zip.bytes.length };
  } catch (error) {
    throw awsFailure(error, { action: "look at what is there", region });
  }
}
