import path from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import { formatCount, formatDuration } from "../observe/text.ts";
import { EXIT } from "./exit-codes.ts";
import { allJobs, findJobs, type JobCondition, type JobSummary } from "./journals.ts";
import { print, printJson, say, table } from "./output.ts";
import { openStoreIfAny, openStoreOf, type StorageOption, storageFolder } from "./store.ts";

export interface JobsOptions extends StorageOption {
  readonly json?: boolean;
}

/** `kinglet jobs [id…]`: what the store holds, oldest first. */
export async function jobs(
  ids: readonly string[],
  options: JobsOptions,
  clock: Clock = systemClock,
): Promise<number> {
  const found = ids.length > 0 ? await named(ids, options, clock) : await all(options, clock);
  if (options.json) {
    printJson(found.map(jobFacts));
    return EXIT.ok;
  }
  if (found.length === 0) {
    say(`No jobs in ${storageFolder(options)}.`);
    return EXIT.ok;
  }
  // Thousands of calls of pool.run are one line, unless they were asked for.
  for (const line of jobsTable(ids.length > 0 ? found.map(rowOf) : rowsOf(found), clock)) print(line);
  return EXIT.ok;
}

async function all(options: JobsOptions, clock: Clock): Promise<JobSummary[]> {
  const store = await openStoreIfAny(options);
  return store ? allJobs(store, clock) : [];
}

async function named(ids: readonly string[], options: JobsOptions, clock: Clock): Promise<JobSummary[]> {
  const found: JobSummary[] = [];
  for (const id of ids) found.push(...(await findJobs(await openStoreOf(id, options), id, clock)));
  return found;
}

/** What `--json` prints of a job: a stable shape for scripts. */
export function jobFacts({ id, condition, job, leader }: JobSummary) {
  const { meta } = job;
  return {
    id,
    kind: meta.kind,
    name: meta.name ?? null,
    function: meta.functionName,
    location: meta.functionLocation,
    script: meta.script ?? null,
    state: condition,
    reason: job.ended?.reason ?? null,
    /** Number of tasks, once the input was drawn to its end. */
    total: job.total ?? null,
    drawn: job.drawn,
    done: job.committedCount,
    failed: job.failedCount,
    costUsd: job.costUsd,
    inputComplete: job.total !== undefined,
    createdMs: meta.createdMs,
    parent: meta.parent ?? null,
    driver: leader ? { pid: leader.pid, host: leader.host } : null,
  };
}

/** One line of the table: a map, or all calls of `pool.run` of a journal. */
export interface JobRow {
  readonly id: string;
  readonly label: string;
  readonly conditions: readonly JobCondition[];
  readonly done: number;
  readonly total: number | undefined;
  readonly drawn: number;
  readonly failed: number;
  readonly createdMs: number;
  readonly script: string | undefined;
}

function rowOf({ id, condition, job }: JobSummary): JobRow {
  return {
    id,
    label: labelOf(job.meta),
    conditions: [condition],
    done: job.committedCount,
    total: job.total,
    drawn: job.drawn,
    failed: job.failedCount,
    createdMs: job.meta.createdMs,
    script: job.meta.script,
  };
}

/** A job's name, or its function's; of nameless functions where they stand. */
export const labelOf = (meta: { name?: string; functionName: string; functionLocation: string }): string =>
  meta.name ?? (meta.functionName || meta.functionLocation);

export function rowsOf(found: readonly JobSummary[]): JobRow[] {
  const rows: JobRow[] = [];
  const byJournal = Map.groupBy(found, ({ journalId }) => journalId);
  for (const [journalId, jobsOfIt] of byJournal) {
    const [first] = jobsOfIt;
    rows.push(jobsOfIt.length === 1 ? rowOf(first!) : rowOfRuns(journalId, jobsOfIt));
  }
  return rows;
}

function rowOfRuns(journalId: string, runs: readonly JobSummary[]): JobRow {
  const rows = runs.map(rowOf);
  const labels = [...new Set(rows.map(({ label }) => label))];
  const sum = (of: (row: JobRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    ...rows[0]!,
    id: journalId,
    label: `${labels[0]}${labels.length > 1 ? ` + ${labels.length - 1} more` : ""} (${formatCount(runs.length)} runs)`,
    conditions: rows.map(({ conditions }) => conditions[0]!),
    done: sum(({ done }) => done),
    total: runs.length,
    drawn: sum(({ drawn }) => drawn),
    failed: sum(({ failed }) => failed),
  };
}

const HEAD = ["ID", "FUNCTION", "STATE", "TASKS", "FAILED", "AGE", "SCRIPT"];

export function jobsTable(rows: readonly JobRow[], clock: Clock): string[] {
  const cells = rows.map((row) => [
    row.id,
    row.label,
    conditionOf(row.conditions),
    tasksOf(row),
    formatCount(row.failed),
    formatDuration(Math.max(0, clock.nowMs() - row.createdMs)),
    row.script === undefined ? "" : shortPath(row.script),
  ]);
  return table(HEAD, cells, ["TASKS", "FAILED", "AGE"]);
}

/** Of several runs the one that matters most to the reader. */
function conditionOf(conditions: readonly JobCondition[]): string {
  const order: JobCondition[] = ["running", "interrupted", "failed", "broken", "cancelled", "done"];
  return order.find((condition) => conditions.includes(condition)) ?? "";
}

/** `12/100`; `12/40+` while nobody knows how many there will be. */
function tasksOf({ done, total, drawn }: JobRow): string {
  return `${formatCount(done)}/${total === undefined ? `${formatCount(drawn)}+` : formatCount(total)}`;
}

function shortPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}
