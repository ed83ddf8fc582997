import type { AwsApis } from "./apis.ts";
import { awsFailure, isAws } from "./failures.ts";
import type { Inventory } from "./inventory.ts";
import { deleteLogGroup } from "./log-groups.ts";
import { deleteRole } from "./role.ts";

/** What of it goes with `--old`: what this version's functions don't need. */
export function olderThanThis(all: Inventory): Inventory {
  const kept = all.functions.filter(({ isCurrent }) => isCurrent);
  const keptNames = new Set(kept.map(({ name }) => name));
  const keptRoles = new Set(kept.map(({ role }) => role));
  return {
    region: all.region,
    functions: all.functions.filter(({ isCurrent }) => !isCurrent),
    roles: all.roles.filter((role) => !keptRoles.has(role)),
    logGroups: all.logGroups.filter((name) => !keptNames.has(name)),
  };
}

export const isNothing = ({ functions, roles, logGroups }: Inventory): boolean =>
  functions.length + roles.length + logGroups.length === 0;

/**
 * Deletes it; what is gone already is no error, so that it can be done again after a failure.
 * @param deleted told of each thing
 * @throws KingletError COMPUTE_REFUSED, COMPUTE_UNAVAILABLE
 */
export async function destroy(
  apis: AwsApis,
  { region, functions, roles, logGroups }: Inventory,
  deleted: (what: string) => void,
): Promise<void> {
  let action = "";
  try {
    // Functions first: nothing may run any more that writes into a log group, or needs a role.
    for (const { name } of functions) {
      action = `delete the function ${name}`;
      await deleteFunction(apis, name);
      deleted(`function ${name}`);
    }
    for (const name of roles) {
      action = `delete the role ${name}`;
      await deleteRole(await apis.iam(), name);
      deleted(`role ${name}`);
    }
    for (const name of logGroups) {
      action = `delete the log group of ${name}`;
      await deleteLogGroup(await apis.logs(), name);
      deleted(`log group /aws/lambda/${name}`);
    }
  } catch (error) {
    throw awsFailure(error, { action, region });
  }
}

async function deleteFunction(apis: AwsApis, name: string): Promise<void> {
  try {
    await (await apis.lambda()).deleteFunction({ FunctionName: name });
  } catch (error) {
    if (!isAws(error, "ResourceNotFoundException")) throw error;
  }
}
