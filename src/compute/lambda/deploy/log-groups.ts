import type { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { isAws } from "./failures.ts";
import { logGroupOf, NAME_PREFIX } from "./names.ts";

/** Logs are kept so long; jobs keep what their tasks print in the store. */
export const RETENTION_DAYS = 14;

/** Made before its function, so that its lines aren't kept (and paid) for ever. */
export async function ensureLogGroup(logs: CloudWatchLogs, functionName: string): Promise<void> {
  const logGroupName = logGroupOf(functionName);
  try {
    await logs.createLogGroup({ logGroupName });
  } catch (error) {
    if (!isAws(error, "ResourceAlreadyExistsException", "OperationAbortedException")) throw error;
  }
  await logs.putRetentionPolicy({ logGroupName, retentionInDays: RETENTION_DAYS });
}

/** Names of the functions whose log groups there are, the functions perhaps not. */
export async function listLogGroups(logs: CloudWatchLogs): Promise<string[]> {
  const prefix = logGroupOf(NAME_PREFIX);
  const names: string[] = [];
  for (let nextToken: string | undefined; ; ) {
    const page = await logs.describeLogGroups({
      logGroupNamePrefix: prefix,
      ...(nextToken ? { nextToken } : {}),
    });
    for (const { logGroupName } of page.logGroups ?? []) {
      if (logGroupName) names.push(logGroupName.slice(logGroupOf("").length));
    }
    nextToken = page.nextToken;
    if (!nextToken) return names;
  }
}

export async function deleteLogGroup(logs: CloudWatchLogs, functionName: string): Promise<void> {
  try {
    await logs.deleteLogGroup({ logGroupName: logGroupOf(functionName) });
  } catch (error) {
    if (!isAws(error, "ResourceNotFoundException")) throw error;
  }
}
