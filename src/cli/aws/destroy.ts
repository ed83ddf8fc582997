import { createInterface } from "node:readline/promises";
import { destroy as destroyAll, isNothing, olderThanThis } from "../../compute/lambda/deploy/destroy.ts";
import { type Inventory, takeInventory } from "../../compute/lambda/deploy/inventory.ts";
import { logGroupOf } from "../../compute/lambda/deploy/names.ts";
import { workerZip } from "../../compute/lambda/deploy/worker-zip.ts";
import { UsageError } from "../../errors.ts";
import { EXIT } from "../exit-codes.ts";
import { print, printJson, say } from "../output.ts";
import { type CloudOptions, checkCloud, regionOf, withApis } from "./target.ts";

export interface DestroyOptions extends CloudOptions {
  /** Only what this version's functions don't need. */
  readonly old?: boolean;
  readonly dryRun?: boolean;
  /** Without asking. */
  readonly yes?: boolean;
}

/** `kinglet destroy aws`: removes functions, roles and log groups of a region; jobs and their results stay in the store. */
export async function destroy(cloud: string, options: DestroyOptions): Promise<number> {
  checkCloud(cloud);
  const place = regionOf(options);
  const { sha256 } = await workerZip();
  return withApis(place, async (apis) => {
    const all = await takeInventory(apis, place.region, sha256);
    const doomed = options.old ? olderThanThis(all) : all;
    if (options.json && (options.dryRun || isNothing(doomed))) printJson(doomed);
    else if (!options.json) for (const line of doomedLines(doomed)) print(line);
    if (options.dryRun || isNothing(doomed)) return EXIT.ok;
    if (!options.yes && !(await isSure())) {
      say("Nothing was deleted.");
      return EXIT.failed;
    }
    await destroyAll(apis, doomed, (what) => {
      if (!options.json) say(`deleted  ${what}`);
    });
    if (options.json) printJson(doomed);
    return EXIT.ok;
  });
}

function doomedLines({ region, functions, roles, logGroups }: Inventory): string[] {
  const names = [
    ...functions.map(({ name }) => `function   ${name}`),
    ...roles.map((name) => `role       ${name}`),
    ...logGroups.map((name) => `log group  ${logGroupOf(name)}`),
  ];
  return names.length > 0 ? names : [`Kinglet has nothing to delete in ${region}.`];
}

/** @throws UsageError BAD_ARGUMENT where nobody can be asked */
async function isSure(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError("BAD_ARGUMENT", "nobody is there to be asked whether all of that may go", {
      remedy: "Add --yes; jobs that run on these functions would fail.",
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question("Delete all of that? Jobs that run on it would fail. [y/N] ");
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
