import { Ledger } from "../cost/ledger.ts";
import type { JobKind } from "../job/records.ts";
import type { PoolEvent } from "../observers.ts";
import type { JobEvent } from "../scheduler/events.ts";

/**
 * What a progress bar and a summary need to know, folded from the events of this process's pools. A fold holds no
 * clock and prints nothing: `render.ts` and `summary.ts` turn it into text.
 */
export interface Progress {
  /** The lines of a display: maps that are running, and one line for all `pool.run` calls of a function. */
  readonly running: Map<string, JobProgress>;
  /** Everything so far, running jobs included. */
  readonly totals: Totals;
  /** The line that a call of `pool.run` counts for, by job id, while it is open. */
  readonly lineOfRun: Map<string, string>;
  readonly slots: Map<string, SlotUse>;
}

export interface JobProgress extends Counts {
  /** The job's id; of a line of runs, the first one's. */
  readonly id: string;
  readonly kind: JobKind;
  /** Its name, or its function's; `map` and the like where it has none. */
  readonly label: string;
  readonly nested: boolean;
  readonly openedMs: number;
  endedMs: number | undefined;
  /** `running`, then as the job ended: `done`, `failed`, `cancelled`, `detached`. */
  state: string;
  /** Number of tasks, once known. */
  total: number | undefined;
  /** Tasks known so far. */
  drawn: number;
  /** Tasks whose outcomes were there already. */
  settled: number;
  /** Attempts that were started and haven't ended, by job and attempt. */
  readonly attempts: Map<string, { readonly slot: string; readonly startedMs: number }>;
  /** `done` at some times of the last seconds, for the rate. */
  readonly samples: { readonly atMs: number; readonly done: number }[];
  /** Of a line of runs: calls that haven't ended. */
  open: number;
}

export interface Counts {
  /** Tasks with an outcome. */
  done: number;
  failed: number;
  /** Tasks that ran again. */
  retried: number;
  /** Attempts started beside slow ones. */
  backups: number;
  /** Time that workers spent on attempts, together. */
  busyMs: number;
  /** How attempts ended: `ok`, `crashed`, `timed-out`, …; those that never ran (`revoked`) don't count. */
  readonly ends: Map<string, number>;
  /** The attempts that took longest, longest first. */
  slowest: readonly SlowAttempt[];
}

export interface Totals extends Counts {
  jobs: number;
  /** Jobs that ended other than well. */
  failedJobs: number;
  /** Outcomes that were there before. */
  settled: number;
  /** Workers at most. */
  workers: number;
  firstMs: number | undefined;
  lastMs: number | undefined;
  readonly cost: Ledger;
}

export interface SlowAttempt {
  readonly jobId: string;
  readonly kind: JobKind;
  readonly label: string;
  /** Index of the first task. */
  readonly first: number;
  /** How many tasks it ran, one after the other. */
  readonly count: number;
  readonly ms: number;
}

/** Attempts wait their turn at a slot: `freeMs` is when the one before ended. */
interface SlotUse {
  open: number;
  freeMs: number;
}

const SLOWEST = 5;
const SAMPLE_EVERY_MS = 500;
const SAMPLES = 30;

const newCounts = (): Counts => ({
  done: 0,
  failed: 0,
  retried: 0,
  backups: 0,
  busyMs: 0,
  ends: new Map(),
  slowest: [],
});

export function newProgress(): Progress {
  return {
    running: new Map(),
    totals: {
      ...newCounts(),
      jobs: 0,
      failedJobs: 0,
      settled: 0,
      workers: 0,
      firstMs: undefined,
      lastMs: undefined,
      cost: new Ledger(""),
    },
    lineOfRun: new Map(),
    slots: new Map(),
  };
}

/**
 * Takes an event in; in place, since there may be thousands a second. An event of an unknown job or kind (a newer
 * Kinglet's) changes nothing.
 *
 * @returns the map that has ended with this event, if one has; it is no longer among the running ones
 * @example
 * const progress = newProgress();
 * const stop = observe((event) => foldProgress(progress, event));
 */
export function foldProgress(progress: Progress, event: PoolEvent): JobProgress | undefined {
  const { totals } = progress;
  if (event.kind === "job-opened") {
    totals.firstMs ??= event.atMs;
    totals.jobs += 1;
    totals.settled += event.settled;
    totals.done += event.settled;
    totals.workers = Math.max(totals.workers, event.slots);
    openJob(progress, event);
    return undefined;
  }
  // Also of attempts that end after their job.
  if (event.kind === "job" && event.event.kind === "attempt-ended" && event.event.cost) {
    totals.cost.addAttempt(event.event.cost);
  }
  if (event.kind === "job-ended" && event.cost) totals.cost.addStorageUsd(event.cost.storageUsd);
  const line = progress.lineOfRun.get(event.jobId) ?? event.jobId;
  const job = progress.running.get(line);
  if (!job) return undefined;
  if (event.kind === "job-ended") return endJob(progress, job, event);
  if (event.kind === "job") foldJob(progress, job, event.jobId, event.event);
  return undefined;
}

function openJob(progress: Progress, event: PoolEvent & { kind: "job-opened" }): void {
  const label = event.name ?? (event.functionName || event.jobKind);
  const isRun = event.jobKind === "run";
  const line = isRun ? `run ${label}` : event.jobId;
  if (isRun) progress.lineOfRun.set(event.jobId, line);
  const known = progress.running.get(line);
  if (known) {
    known.total = (known.total ?? 0) + 1;
    known.open += 1;
    return;
  }
  progress.running.set(line, {
    ...newCounts(),
    id: event.jobId,
    kind: event.jobKind,
    label,
    nested: event.nested,
    openedMs: event.atMs,
    endedMs: undefined,
    state: "running",
    total: isRun ? 1 : event.total,
    drawn: event.total ?? 0,
    settled: event.settled,
    done: event.settled,
    attempts: new Map(),
    samples: [{ atMs: event.atMs, done: event.settled }],
    open: 1,
  });
}

function endJob(
  progress: Progress,
  job: JobProgress,
  event: PoolEvent & { kind: "job-ended" },
): JobProgress | undefined {
  progress.totals.lastMs = event.atMs;
  if (event.state !== "done") progress.totals.failedJobs += 1;
  job.open -= 1;
  if (job.kind === "run") {
    progress.lineOfRun.delete(event.jobId);
    // The line counts on when the function is called again; while it isn't, there is nothing to show.
    if (job.open === 0) job.endedMs = event.atMs;
    return undefined;
  }
  job.endedMs = event.atMs;
  job.state = event.state;
  if (event.state === "done") job.total = event.tasks;
  progress.running.delete(event.jobId);
  return job;
}

function foldJob(progress: Progress, job: JobProgress, jobId: string, event: JobEvent): void {
  const { totals } = progress;
  switch (event.kind) {
    case "attempt-started": {
      job.attempts.set(`${jobId}:${event.attempt}`, { slot: event.slot, startedMs: event.atMs });
      const slot = progress.slots.get(event.slot);
      if (slot) slot.open += 1;
      else progress.slots.set(event.slot, { open: 1, freeMs: 0 });
      if (event.backup) for (const counts of [job, totals]) counts.backups += 1;
      return;
    }
    case "attempt-ended":
      foldEnd(progress, job, jobId, event);
      return;
    case "retry":
      for (const counts of [job, totals]) counts.retried += 1;
      return;
    case "drawn":
      if (job.kind === "run") return;
      job.drawn = event.drawn;
      job.total = event.total ?? job.total;
      return;
    case "committed": {
      for (const counts of [job, totals]) {
        counts.done += event.count;
        counts.failed += event.failed;
      }
      const last = job.samples.at(-1);
      if (last && event.atMs - last.atMs < SAMPLE_EVERY_MS) return;
      job.samples.push({ atMs: event.atMs, done: job.done });
      if (job.samples.length > SAMPLES) job.samples.shift();
      return;
    }
    default:
      return;
  }
}

function foldEnd(
  progress: Progress,
  job: JobProgress,
  jobId: string,
  event: JobEvent & { kind: "attempt-ended" },
): void {
  const key = `${jobId}:${event.attempt}`;
  const started = job.attempts.get(key);
  if (!started) return;
  job.attempts.delete(key);
  const slot = progress.slots.get(started.slot);
  const beganMs = Math.max(started.startedMs, slot?.freeMs ?? 0);
  if (slot) {
    slot.open -= 1;
    if (event.end !== "revoked") slot.freeMs = event.atMs;
    if (slot.open === 0) progress.slots.delete(started.slot);
  }
  if (event.end === "revoked") return;
  const ms = Math.max(0, event.atMs - beganMs);
  const { kind, label } = job;
  const slow: SlowAttempt = { jobId, kind, label, first: event.first, count: event.count, ms };
  for (const counts of [job, progress.totals]) {
    counts.busyMs += ms;
    counts.ends.set(event.end, (counts.ends.get(event.end) ?? 0) + 1);
    counts.slowest = withSlow(counts.slowest, slow);
  }
}

function withSlow(slowest: readonly SlowAttempt[], slow: SlowAttempt): readonly SlowAttempt[] {
  const last = slowest.at(-1);
  if (slowest.length === SLOWEST && last && last.ms >= slow.ms) return slowest;
  return [...slowest, slow].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
}

/** Tasks a second over the last quarter of a minute, or undefined before anything is done. */
export function ratePerSecond(job: JobProgress, nowMs: number): number | undefined {
  const oldest = job.samples[0];
  if (!oldest || job.done <= oldest.done) return undefined;
  return ((job.done - oldest.done) * 1000) / Math.max(1, nowMs - oldest.atMs);
}

/** Milliseconds until the job is done if it goes on like this, or undefined where nobody can know. */
export function remainingMs(job: JobProgress, nowMs: number): number | undefined {
  const rate = ratePerSecond(job, nowMs);
  if (rate === undefined || job.total === undefined) return undefined;
  return (Math.max(0, job.total - job.done) * 1000) / rate;
}

/** Workers that have an attempt of the job. */
export const busyWorkers = (job: JobProgress): number =>
  new Set([...job.attempts.values()].map(({ slot }) => slot)).size;
