import { isNothing, olderThanThis } from "../../compute/lambda/deploy/destroy.ts";
import {
  type ConcurrencyLimits,
  concurrencyLimits,
  type Inventory,
  takeInventory,
} from "../../compute/lambda/deploy/inventory.ts";
import { workerZip } from "../../compute/lambda/deploy/worker-zip.ts";
import { countOf, formatCount, formatDuration, formatSize } from "../../observe/text.ts";
import { EXIT } from "../exit-codes.ts";
import { print, printJson, table } from "../output.ts";
import { type CloudOptions, checkCloud, regionOf, withApis } from "./target.ts";

/** `kinglet status aws`: the worker functions of a region, and what is left of earlier versions. */
export async function status(cloud: string, options: CloudOptions): Promise<number> {
  checkCloud(cloud);
  const place = regionOf(options);
  const { sha256 } = await workerZip();
  return withApis(place, async (apis) => {
    const [inventory, limits] = await Promise.all([
      takeInventory(apis, place.region, sha256),
      concurrencyLimits(apis, place.region),
    ]);
    if (options.json) printJson({ ...inventory, concurrency: limits });
    else for (const line of statusLines(inventory, limits, Date.now())) print(line);
    return EXIT.ok;
  });
}

const HEAD = ["FUNCTION", "KINGLET", "STATE", "MEMORY", "CODE", "AGE", "STORE"];

export function statusLines(inventory: Inventory, limits: ConcurrencyLimits, nowMs: number): string[] {
  const { region, functions, roles, logGroups } = inventory;
  const rows = functions.map((one) => [
    one.name,
    `${one.version ?? "?"}${one.isCurrent ? "" : " (old)"}`,
    one.state,
    `${formatCount(one.memoryMb)} MB`,
    formatSize(one.codeBytes),
    formatDuration(Math.max(0, nowMs - one.modifiedMs)),
    one.storage ?? "?",
  ]);
  const old = olderThanThis(inventory);
  return [
    ...(rows.length > 0
      ? table(HEAD, rows, ["MEMORY", "CODE", "AGE"])
      : [`No worker functions in ${region}.`]),
    "",
    `${countOf(roles.length, "role")}, ${countOf(logGroups.length, "log group")}; the account may run ${formatCount(limits.total)} environments at a time in ${region}, ${formatCount(limits.unreserved)} of them unreserved.`,
    ...(isNothing(old)
      ? []
      : [
          `Not needed by this version: ${countOf(old.functions.length, "function")}, ${countOf(old.roles.length, "role")}, ${countOf(old.logGroups.length, "log group")}. Remove them: kinglet destroy aws --old`,
        ]),
  ];
}
