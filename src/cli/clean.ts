import { type Clock, systemClock } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { countOf, formatSize } from "../observe/text.ts";
import { type CleanPlan, deletePlanned, type JournalFacts, planClean } from "./clean-plan.ts";
import { parseDuration } from "./durations.ts";
import { EXIT } from "./exit-codes.ts";
import { print, printJson, say } from "./output.ts";
import { checkJobId, jobNotFound, openStoreIfAny, type StorageOption, storageFolder } from "./store.ts";

export interface CleanOptions extends StorageOption {
  /** Age since the last change, as `7d`. */
  readonly olderThan?: string;
  readonly all?: boolean;
  readonly interrupted?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const DEFAULT_AGE = "7d";

/** `kinglet clean [id…]`: deletes ended jobs and what nobody refers to any more. */
export async function clean(
  ids: readonly string[],
  options: CleanOptions,
  clock: Clock = systemClock,
): Promise<number> {
  checkSelection(ids, options);
  const minAgeMs = options.all ? 0 : parseDuration(options.olderThan ?? DEFAULT_AGE, "--older-than");
  const store = await openStoreIfAny(options);
  if (!store) {
    if (ids.length > 0) throw jobNotFound(ids[0]!, `there is no store at ${storageFolder(options)}`);
    say(`Nothing to clean: there is no store at ${storageFolder(options)}.`);
    return EXIT.ok;
  }
  const named = new Set(ids);
  const selected = (journal: JournalFacts): boolean => {
    if (named.size > 0) return named.has(journal.id);
    if (journal.condition === "interrupted" && !options.interrupted) return false;
    return clock.nowMs() - journal.modifiedMs >= minAgeMs;
  };
  const plan = await planClean(store, selected, clock);
  for (const id of ids) {
    if (!plan.known.has(id)) throw jobNotFound(id, `${store.description} holds none of that id`);
  }
  const deleted = options.dryRun ? plan : await deletePlanned(store, plan, clock);
  if (options.json) printJson(planFacts(deleted));
  else report(deleted, options.dryRun ?? false);
  // What was asked for by name and couldn't be done is a failure.
  return ids.every((id) => deleted.journals.some((journal) => journal.id === id)) ? EXIT.ok : EXIT.failed;
}

function checkSelection(ids: readonly string[], options: CleanOptions): void {
  if (ids.length > 0 && (options.all || options.olderThan !== undefined || options.interrupted)) {
    throw new UsageError(
      "BAD_ARGUMENT",
      "clean: ids and --all, --older-than or --interrupted exclude one another",
      {
        remedy: "Name the jobs, or say which ones by their age.",
      },
    );
  }
  for (const id of ids) {
    if (checkJobId(id).number === 0) continue;
    throw new UsageError("BAD_ARGUMENT", `clean: ${id} shares its journal with other calls of pool.run`, {
      remedy: `Clean all of them: kinglet clean ${id.split(".")[0]}`,
    });
  }
}

function report(plan: CleanPlan, dryRun: boolean): void {
  const did = dryRun ? "would delete" : "deleted";
  for (const { id, condition, sizeBytes } of plan.journals)
    print(`${did} job ${id} (${condition}, ${formatSize(sizeBytes)})`);
  const others = [
    [plan.functions, "function"],
    [plan.values, "broadcast value"],
    [plan.code, "part of packaged code", "parts of packaged code"],
    [plan.uploads, "uploaded file"],
    [plan.intermediates, "intermediate object of dataflow", "intermediate objects of dataflow"],
    [plan.leases, "dead driver's lease", "dead drivers' leases"],
  ] as const;
  for (const [keys, noun, plural] of others) {
    if (keys.length > 0) print(`${did} ${countOf(keys.length, noun, plural)}`);
  }
  for (const { id, why } of plan.kept) say(`kept ${id}: ${why}`);
  print(`${dryRun ? "would free" : "freed"} ${formatSize(plan.sizeBytes)}`);
}

const planFacts = (plan: CleanPlan) => ({
  jobs: plan.journals.map(({ id }) => id),
  functions: plan.functions.length,
  values: plan.values.length,
  code: plan.code.length,
  uploads: plan.uploads.length,
  intermediates: plan.intermediates.length,
  leases: plan.leases.length,
  kept: plan.kept,
  sizeBytes: plan.sizeBytes,
});
