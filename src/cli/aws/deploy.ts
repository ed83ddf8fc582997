import type { WorkerFunctionSpec } from "../../compute/lambda/deploy/contract.ts";
import { workerFunctions } from "../../compute/lambda/deploy/functions.ts";
import { type DeployPlan, planDeploy } from "../../compute/lambda/deploy/plan.ts";
import { workerZip } from "../../compute/lambda/deploy/worker-zip.ts";
import { countOf, formatDuration, formatSize } from "../../observe/text.ts";
import { showStoreLocation } from "../../storage/locate.ts";
import { EXIT } from "../exit-codes.ts";
import { print, printJson, say } from "../output.ts";
import { type AwsFlags, awsTarget, checkCloud, withApis } from "./target.ts";

export interface DeployOptions extends AwsFlags {
  readonly dryRun?: boolean;
  /** Functions of each size. */
  readonly copies?: number;
}

/** `kinglet deploy aws`: what jobs would make at first use, made now; what is there stays as it is. */
export async function deploy(cloud: string, options: DeployOptions): Promise<number> {
  checkCloud(cloud);
  const aws = awsTarget(options);
  const zip = await workerZip();
  const specs = specsOf(options, aws.memoryMb);
  return withApis(aws, async (apis) => {
    const plan = await planDeploy(apis, aws, zip, specs);
    if (options.dryRun) {
      if (options.json) printJson(plan);
      else for (const line of planLines(plan, showStoreLocation(aws.storage))) print(line);
      return EXIT.ok;
    }
    const functions = workerFunctions(aws, { apis });
    const startedMs = performance.now();
    for (const { name, isThere, memoryMb, copy } of plan.functions) {
      await functions.ensure({ memoryMb, copy });
      if (!options.json) print(`${isThere ? "found  " : "made   "}  ${name}`);
    }
    if (options.json) printJson({ ...plan, ms: Math.round(performance.now() - startedMs) });
    else {
      const took = formatDuration(performance.now() - startedMs);
      say(`${countOf(plan.functions.length, "worker function")} ready in ${plan.region} after ${took}.`);
      say('Run a script on them: KINGLET_COMPUTE=aws-lambda node script.ts, or compute: "aws-lambda".');
    }
    return EXIT.ok;
  });
}

function specsOf({ memoryMb, copies = 1 }: DeployOptions, defaultMb: number): WorkerFunctionSpec[] {
  const sizes = [...new Set(memoryMb?.length ? memoryMb : [defaultMb])];
  return sizes.flatMap((size) => Array.from({ length: copies }, (_, copy) => ({ memoryMb: size, copy })));
}

function planLines({ region, role, functions, zipBytes }: DeployPlan, storage: string): string[] {
  const state = (isThere: boolean) => (isThere ? "is there   " : "to be made ");
  return [
    `In ${region}, for jobs in ${storage}:`,
    `${state(role.isThere)} role       ${role.name}`,
    ...functions.flatMap(({ name, isThere, logGroup }) => [
      `${state(isThere)} log group  ${logGroup}`,
      `${state(isThere)} function   ${name}  (${formatSize(zipBytes)} of code)`,
    ]),
    ...(role.policy ? ["The role's policy:", JSON.stringify(role.policy, undefined, 2)] : []),
    "Nothing was changed. None of it costs anything while no job runs.",
  ];
}
