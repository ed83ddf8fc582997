import type { FunctionConfiguration, Lambda } from "@aws-sdk/client-lambda";
import type { AwsApis } from "./apis.ts";
import type { LambdaArchitecture } from "./contract.ts";
import { awsFailure } from "./failures.ts";
import { listLogGroups } from "./log-groups.ts";
import { parseFunctionName, TAGS } from "./names.ts";
import { listRoles } from "./role.ts";

/** A worker function that is there. */
export interface FoundFunction {
  readonly name: string;
  readonly memoryMb: number;
  readonly architecture: LambdaArchitecture;
  readonly copy: number;
  /** `Active`, `Pending`, `Failed`, …; with `update in progress` where it is being changed. */
  readonly state: string;
  readonly runtime: string;
  readonly codeBytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** Kinglet's, from its tags; undefined where they can't be read. */
  readonly version: string | undefined;
  /** Where its jobs live. */
  readonly storage: string | undefined;
  /** It runs the code of this package. */
  readonly isCurrent: boolean;
  /** Name of its role. */
  readonly role: string;
}

export interface Inventory {
  readonly region: string;
  readonly functions: readonly FoundFunction[];
  /** Names of roles that Kinglet made for this region. */
  readonly roles: readonly string[];
  /** Names of the functions, gone ones too, that have a log group. */
  readonly logGroups: readonly string[];
}

/** All that Kinglet made in a region. @throws KingletError COMPUTE_REFUSED, COMPUTE_UNAVAILABLE */
export async function takeInventory(apis: AwsApis, region: string, zipSha256: string): Promise<Inventory> {
  try {
    const [lambda, iam, logs] = await Promise.all([apis.lambda(), apis.iam(), apis.logs()]);
    const [functions, roles, logGroups] = await Promise.all([
      listFunctions(lambda, zipSha256),
      listRoles(iam, region),
      listLogGroups(logs),
    ]);
    return { region, functions, roles, logGroups: logGroups.filter(isWorker) };
  } catch (error) {
    throw awsFailure(error, { action: "look at what is there", region });
  }
}

/** Environments that the account may run at a time in the region. */
export interface ConcurrencyLimits {
  readonly total: number;
  /** Not kept for functions that have their own share. */
  readonly unreserved: number;
}

/** @throws KingletError COMPUTE_REFUSED, COMPUTE_UNAVAILABLE */
export async function concurrencyLimits(apis: AwsApis, region: string): Promise<ConcurrencyLimits> {
  try {
    const { AccountLimit } = await (await apis.lambda()).getAccountSettings({});
    const total = AccountLimit?.ConcurrentExecutions ?? 0;
    return { total, unreserved: AccountLimit?.UnreservedConcurrentExecutions ?? total };
  } catch (error) {
    throw awsFailure(error, { action: "ask for the account's limits", region });
  }
}

const isWorker = (name: string): boolean => parseFunctionName(name) !== undefined;

async function listFunctions(lambda: Lambda, zipSha256: string): Promise<FoundFunction[]> {
  const found: FunctionConfiguration[] = [];
  for (let Marker: string | undefined; ; ) {
    const page = await lambda.listFunctions(Marker ? { Marker } : {});
    found.push(...(page.Functions ?? []).filter(({ FunctionName }) => isWorker(FunctionName ?? "")));
    Marker = page.NextMarker;
    if (!Marker) break;
  }
  return Promise.all(found.map((config) => describe(lambda, config, zipSha256)));
}

async function describe(
  lambda: Lambda,
  listed: FunctionConfiguration,
  zipSha256: string,
): Promise<FoundFunction> {
  const name = listed.FunctionName!;
  const { architecture, copy } = parseFunctionName(name)!;
  // AWS's list has neither tags nor states.
  const { Tags, Configuration = listed } = await lambda.getFunction({ FunctionName: name });
  const isUpdating = Configuration.LastUpdateStatus === "InProgress";
  return {
    name,
    architecture,
    copy,
    memoryMb: Configuration.MemorySize ?? 0,
    state: `${Configuration.State ?? "Active"}${isUpdating ? ", update in progress" : ""}`,
    runtime: Configuration.Runtime ?? "",
    codeBytes: Configuration.CodeSize ?? 0,
    modifiedMs: Date.parse(Configuration.LastModified ?? "") || 0,
    version: Tags?.[TAGS.version],
    storage: Tags?.[TAGS.storage],
    isCurrent: Configuration.CodeSha256 === Buffer.from(zipSha256, "hex").toString("base64"),
    role: (Configuration.Role ?? "").split("/").at(-1)!,
  };
}
