import type { JobCost } from "../job.ts";
import type { Progress, SlowAttempt } from "./progress.ts";
import { countOf, formatCount, formatDuration, formatUsd, harmless } from "./text.ts";

/** What a run came to. */
export interface Summary {
  readonly jobs: number;
  /** Jobs that ended other than well. */
  readonly failedJobs: number;
  /** Tasks with an outcome; `settled` of them had it before. */
  readonly tasks: number;
  readonly settled: number;
  readonly failed: number;
  /** From the first job's start to the last one's end. */
  readonly wallMs: number;
  /** Time of all attempts on the workers together. */
  readonly busyMs: number;
  /** `busyMs / wallMs`: how many workers' worth of work was done at a time; undefined where nothing ran. */
  readonly speedUp: number | undefined;
  readonly workers: number;
  readonly retries: number;
  readonly backups: number;
  /** Attempts whose worker failed: crashed, out of memory, lost. */
  readonly crashes: number;
  readonly timedOut: number;
  readonly slowest: readonly SlowAttempt[];
  readonly cost: JobCost;
}

const CRASHES = ["crashed", "out-of-memory", "lost"];

/** @param nowMs stands in for the end while jobs are running */
export function summarize({ totals, running }: Progress, nowMs: number): Summary {
  const open = [...running.values()].some((job) => job.open > 0);
  const untilMs = open ? nowMs : (totals.lastMs ?? nowMs);
  const wallMs = totals.firstMs === undefined ? 0 : Math.max(0, untilMs - totals.firstMs);
  const ended = (kind: string) => totals.ends.get(kind) ?? 0;
  return {
    jobs: totals.jobs,
    failedJobs: totals.failedJobs,
    tasks: totals.done,
    settled: totals.settled,
    failed: totals.failed,
    wallMs,
    busyMs: totals.busyMs,
    speedUp: totals.busyMs > 0 && wallMs > 0 ? totals.busyMs / wallMs : undefined,
    workers: totals.workers,
    retries: totals.retried,
    backups: totals.backups,
    crashes: CRASHES.reduce((sum, kind) => sum + ended(kind), 0),
    timedOut: ended("timed-out"),
    slowest: totals.slowest,
    cost: totals.cost.total,
  };
}

/**
 * @example
 * tasks    4,321 in 1 job, 2 failed
 * wall     3.4 s
 * busy     6.5 s on 2 workers: speed-up 1.9
 * retries  3 (1 crash)
 * slowest  count task 17: 1.2 s
 */
export function summaryLines(summary: Summary): string[] {
  const { tasks, settled, failed, wallMs, busyMs, speedUp, workers, slowest } = summary;
  const facts = [
    ...(summary.jobs > 1 ? [` in ${countOf(summary.jobs, "job")}`] : []),
    ...(summary.failedJobs > 0 && summary.jobs > 1
      ? [`, ${formatCount(summary.failedJobs)} of them not done`]
      : []),
    ...(settled > 0 ? [`, ${formatCount(settled)} done before`] : []),
    ...(failed > 0 ? [`, ${formatCount(failed)} failed`] : []),
  ];
  const lines = [`tasks    ${formatCount(tasks)}${facts.join("")}`, `wall     ${formatDuration(wallMs)}`];
  if (speedUp !== undefined) {
    lines.push(
      `busy     ${formatDuration(busyMs)} on ${countOf(workers, "worker")}: speed-up ${speedUp.toFixed(1)}`,
    );
  }
  lines.push(`retries  ${formatCount(summary.retries)}${troubles(summary)}`);
  if (summary.cost.usd > 0) lines.push(`cost     ${costText(summary.cost)}`);
  const [slow] = slowest;
  if (slow) lines.push(`slowest  ${tasksOf(slow)}: ${formatDuration(slow.ms)}`);
  return lines;
}

/** `$0.0213: 1,000 invocations, 1,250 GB-s (AWS us-east-1, 2026-11); 4 % of it wasted by retries, 1 % by backups` */
export function costText(cost: JobCost): string {
  const { usd, invocations, gbSeconds, prices, wastedByRetriesUsd, wastedByBackupsUsd } = cost;
  const part = (wastedUsd: number) => `${((100 * wastedUsd) / usd).toFixed(wastedUsd / usd < 0.1 ? 1 : 0)} %`;
  const wasted = [
    ...(wastedByRetriesUsd > 0 ? [`${part(wastedByRetriesUsd)} wasted by retries`] : []),
    ...(wastedByBackupsUsd > 0 ? [`${part(wastedByBackupsUsd)} wasted by backups`] : []),
  ];
  return [
    `${formatUsd(usd)}: ${countOf(invocations, "invocation")}, ${formatCount(gbSeconds)} GB-s (${prices})`,
    ...wasted,
  ].join("; ");
}

function troubles({ crashes, timedOut, backups }: Summary): string {
  const found = [
    ...(crashes > 0 ? [countOf(crashes, "crash", "crashes")] : []),
    ...(timedOut > 0 ? [`${formatCount(timedOut)} timed out`] : []),
    ...(backups > 0 ? [countOf(backups, "backup")] : []),
  ];
  return found.length > 0 ? ` (${found.join(", ")})` : "";
}

function tasksOf({ kind, label, first, count }: SlowAttempt): string {
  const name = harmless(label);
  if (kind === "run") return name;
  return count === 1 ? `${name} task ${first}` : `${name} tasks ${first}–${first + count - 1} together`;
}
