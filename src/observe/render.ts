import { busyWorkers, type JobProgress, type Progress, ratePerSecond, remainingMs } from "./progress.ts";
import { countOf, formatCount, formatDuration, harmless } from "./text.ts";

const BAR_CELLS = 24;
/** Lines of the live display; what is more is counted. */
const MAX_LINES = 8;
const MAX_LABEL = 24;

/** The lines of the live display, one a running job. */
export function liveLines(progress: Progress, nowMs: number): string[] {
  const jobs = shownJobs(progress);
  const shown = jobs.length > MAX_LINES ? jobs.slice(0, MAX_LINES - 1) : jobs;
  const width = Math.max(0, ...shown.map((job) => labelOf(job).length));
  const lines = shown.map((job) => liveLine(job, nowMs, width));
  if (shown.length < jobs.length) lines.push(`… and ${countOf(jobs.length - shown.length, "more job")}`);
  return lines;
}

/** What is going on now, in the order in which it began; nested maps after those that the program itself started. */
const shownJobs = (progress: Progress): JobProgress[] =>
  [...progress.running.values()]
    .filter(({ open }) => open > 0)
    .sort((a, b) => Number(a.nested) - Number(b.nested));

export function labelOf(job: JobProgress): string {
  const label = harmless(job.label);
  const cut = label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL - 1)}…` : label;
  return job.nested ? `↳ ${cut}` : cut;
}

/** `count  ████████░░░░  45 %  1,234/4,321  400/s  8.1 s left  2 workers  1 failed` */
function liveLine(job: JobProgress, nowMs: number, labelWidth: number): string {
  const bar = job.total === undefined ? "" : `${barOf(job.total === 0 ? 1 : job.done / job.total)}  `;
  return `${labelOf(job).padEnd(labelWidth)}  ${bar}${facts(job, nowMs).join("  ")}`;
}

function barOf(share: number): string {
  const full = Math.floor(Math.min(1, share) * BAR_CELLS);
  return "█".repeat(full) + "░".repeat(BAR_CELLS - full);
}

function facts(job: JobProgress, nowMs: number): string[] {
  const found: string[] = [];
  if (job.total === undefined) found.push(`${formatCount(job.done)} done`);
  else {
    // Never 100 % before all is done.
    const percent = job.total === 0 ? 100 : Math.floor((100 * job.done) / job.total);
    found.push(`${String(percent).padStart(3)} %`, `${formatCount(job.done)}/${formatCount(job.total)}`);
  }
  const rate = ratePerSecond(job, nowMs);
  if (rate !== undefined) found.push(rate >= 10 ? `${formatCount(rate)}/s` : `${rate.toFixed(1)}/s`);
  const leftMs = remainingMs(job, nowMs);
  if (leftMs !== undefined && leftMs > 0) found.push(`${formatDuration(leftMs)} left`);
  const workers = busyWorkers(job);
  if (workers > 0) found.push(countOf(workers, "worker"));
  if (job.failed > 0) found.push(`${formatCount(job.failed)} failed`);
  if (job.retried > 0) found.push(`${formatCount(job.retried)} retried`);
  return found;
}

/** One line for a log file: what the running jobs have come to. Undefined where none is running. */
export function plainLine(progress: Progress, nowMs: number): string | undefined {
  const jobs = shownJobs(progress);
  if (jobs.length === 0) return undefined;
  const shown = jobs.slice(0, 3).map(
    (job) =>
      `${labelOf(job)}: ${facts(job, nowMs)
        .map((fact) => fact.trim())
        .join(", ")}`,
  );
  if (jobs.length > shown.length) shown.push(countOf(jobs.length - shown.length, "more job"));
  return shown.join("; ");
}

/** The line that stays when a job has ended. */
export function endedLine(job: JobProgress): string {
  const tookMs = (job.endedMs ?? job.openedMs) - job.openedMs;
  const ran = job.settled > 0 ? ` (${formatCount(job.settled)} of them before)` : "";
  const failed = job.failed > 0 ? `, ${formatCount(job.failed)} failed` : "";
  if (job.state === "done")
    return `✓ ${labelOf(job)}: ${countOf(job.done, "task")}${ran} in ${formatDuration(tookMs)}${failed}`;
  const of = job.total === undefined ? "" : ` of ${formatCount(job.total)}`;
  return `✗ ${labelOf(job)}: ${job.state} after ${formatCount(job.done)}${of} tasks${ran} in ${formatDuration(tookMs)}${failed}`;
}
