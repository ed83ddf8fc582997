import { availableParallelism } from "node:os";
import { inspect, isDeepStrictEqual } from "node:util";
import { type Clock, systemClock } from "../clock.ts";
import { KingletError } from "../errors.ts";
import type { Job } from "../job.ts";
import { openTerminal } from "../observe/terminal.ts";
import { harmlessLines } from "../observe/text.ts";
import { observe, type PoolEvent } from "../observers.ts";
import type { PoolOptions } from "../options.ts";
import { openPool } from "../pool.ts";
import { EXIT } from "./exit-codes.ts";
import { findJobs, type JobSummary } from "./journals.ts";
import { printJson, say, sayError } from "./output.ts";
import { openStoreOf, type StorageOption, storageFolder } from "./store.ts";

export interface ResumeOptions extends StorageOption {
  readonly concurrency?: number;
  readonly compute?: string;
  readonly progress: boolean;
  /** Print the results, if JSON can show them. */
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** `kinglet resume <id>`: runs what a dead driver left undone, and shows what came of it. */
export async function resume(
  id: string,
  options: ResumeOptions,
  clock: Clock = systemClock,
): Promise<number> {
  const store = await openStoreOf(id, options);
  const found = await findJobs(store, id, clock);
  await store.close();
  refuseIfRunning(id, found);
  const open = found.filter(({ condition }) => condition === "interrupted");
  const failed = found.some(({ condition }) => condition !== "interrupted" && condition !== "done");
  if (open.length === 0) say(`Job ${id} has ended already: ${found[0]!.condition}.`);

  let shown = false;
  const work = async (attach: Attach) => {
    if (options.json) shown = await showResults(id, found, attach);
    else for (const job of open) attach(job.id);
  };
  const idle = open.length === 0 && !options.json;
  const failure = idle ? undefined : await withDisplay(open, options, work);
  const code = failure && sayFailure(failure.error, options.debug ?? false);
  if (!shown || failure) sayWhere(id, options);
  return code ?? (failed ? EXIT.failed : EXIT.ok);
}

/** What a task threw is the user's own error, and shown as such. */
function sayFailure(error: unknown, debug: boolean): number {
  const facts = (error as { task?: { jobId: string; index: number } } | null)?.task;
  if (error instanceof KingletError || !facts) return sayError(error, debug);
  say(
    harmlessLines(
      `Task ${facts.index} of job ${facts.jobId} threw ${debug ? inspect(error) : String(error)}`,
    ),
  );
  return EXIT.failed;
}

function refuseIfRunning(id: string, found: readonly JobSummary[]): void {
  const running = found.find(({ condition }) => condition === "running");
  if (!running) return;
  const { pid, host } = running.leader!;
  throw new KingletError("JOB_LED_ELSEWHERE", `job ${id} is being worked on by process ${pid} on ${host}`, {
    remedy: `Watch it with: kinglet logs ${id} --follow, or end that process first.`,
    details: { jobId: id },
  });
}

type Attach = (id: string) => Job<unknown>;

/** Opens a pool for `work`, and closes it, which waits for all jobs. @returns what went wrong first, if anything */
async function withDisplay(
  open: readonly JobSummary[],
  options: ResumeOptions,
  work: (attach: Attach) => Promise<void>,
): Promise<{ error: unknown } | undefined> {
  const display = openTerminal({ stderr: process.stderr, stdout: process.stdout });
  const stop = options.progress ? observe(display.observer) : () => {};
  // The pool tells of jobs that it makes; of these the journal does.
  if (options.progress) for (const job of open) display.observer(openedEvent(job, options));
  // On Ctrl-C the pool ends this process.
  process.once("exit", display.finish);
  const pool = openPool(poolOptions(options));
  let failure: { error: unknown } | undefined;
  try {
    await work((id) => pool.attach(id));
  } catch (error) {
    failure = { error };
  }
  try {
    await pool.close();
  } catch (error) {
    failure ??= { error };
  }
  stop();
  display.finish();
  return failure;
}

function poolOptions({ concurrency, compute, ...options }: ResumeOptions): PoolOptions {
  return {
    // Tasks' lines would stand between the results; they are kept with the job.
    logs: !options.json,
    storage: storageFolder(options),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(compute === undefined ? {} : { compute: compute as "local" | "aws-lambda" }),
  };
}

function openedEvent({ id, job }: JobSummary, options: ResumeOptions): PoolEvent {
  const { meta } = job;
  return {
    kind: "job-opened",
    jobId: id,
    atMs: Date.now(),
    jobKind: meta.kind,
    functionName: meta.functionName,
    name: meta.name,
    // If its input wasn't drawn to its end, what was drawn is all there is to do.
    total: job.total ?? job.drawn,
    settled: job.committedCount,
    slots: options.concurrency ?? availableParallelism(),
    nested: meta.parent !== undefined,
  };
}

/** Prints the results if JSON can show them. @returns whether it could; what went wrong is thrown afterwards */
async function showResults(id: string, found: readonly JobSummary[], attach: Attach): Promise<boolean> {
  const results: Record<string, unknown> = {};
  let failure: { error: unknown } | undefined;
  for (const { id: jobId, job } of found) {
    const values: unknown[] = [];
    try {
      for await (const value of attach(jobId)) values.push(value);
    } catch (error) {
      failure ??= { error };
    }
    results[jobId] = job.meta.kind === "run" ? values[0] : values;
  }
  // Of a map an array, of a run its value, of several runs an object by id; up to the first failure.
  const all = found.length === 1 ? results[found[0]!.id] : results;
  const shown = isJson(all);
  if (shown) printJson(all);
  else say(`The results of job ${id} hold values that JSON can't show.`);
  if (failure) throw failure.error;
  return shown;
}

/** Whether nothing is lost on the way through JSON. */
function isJson(value: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
  } catch {
    return false;
  }
}

function sayWhere(id: string, options: ResumeOptions): void {
  say(`Results: await openPool({ storage: ${JSON.stringify(storageFolder(options))} }).attach("${id}")`);
}
