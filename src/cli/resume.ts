import { availableParallelism } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { type Clock, systemClock } from "../clock.ts";
import { KingletError } from "../errors.ts";
import type { Job } from "../job.ts";
import { openTerminal } from "../observe/terminal.ts";
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
  const store = openStoreOf(id, options);
  const found = await findJobs(store, id, clock);
  await store.close();
  refuseIfRunning(id, found);
  const open = found.filter(({ condition }) => condition === "interrupted");
  if (open.length === 0) say(`Job ${id} has ended already: ${found[0]!.condition}.`);
  const ended = found.filter(({ condition }) => condition !== "interrupted" && condition !== "done");

  let shown = false;
  const error = options.json
    ? await withDisplay(open, options, async (attach) => {
        const results = await collect(found, attach);
        shown = isJson(results.value);
        if (shown) printJson(results.value);
        else say(`The results of job ${id} hold values that JSON can't show.`);
        if (results.failure) throw results.failure.error;
      })
    : await withDisplay(open, options, async (attach) => {
        for (const job of open) attach(job.id);
      });
  if (error !== undefined) {
    const code = sayError(error, options.debug ?? false);
    sayWhere(id, options);
    return code;
  }
  if (!options.json || !shown) sayWhere(id, options);
  return ended.length === 0 ? EXIT.ok : EXIT.failed;
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
): Promise<unknown> {
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
  return failure?.error;
}

function poolOptions({ concurrency, compute, ...options }: ResumeOptions): PoolOptions {
  return {
    storage: storageFolder(options),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(compute === undefined ? {} : { compute: compute as "local" }),
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

/** Of a map an array, of a run its value, of several jobs an object by id; up to the first failure. */
async function collect(
  found: readonly JobSummary[],
  attach: Attach,
): Promise<{ value: unknown; failure?: { error: unknown } }> {
  const results: Record<string, unknown> = {};
  let failure: { error: unknown } | undefined;
  for (const { id, job } of found) {
    const values: unknown[] = [];
    try {
      for await (const value of attach(id)) values.push(value);
    } catch (error) {
      failure ??= { error };
    }
    results[id] = job.meta.kind === "run" ? values[0] : values;
  }
  const value = found.length === 1 ? results[found[0]!.id] : results;
  return failure ? { value, failure } : { value };
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
