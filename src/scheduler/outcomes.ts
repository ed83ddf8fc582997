import type { TaskFailureKind } from "../job/entries.ts";
import type { JobEndKind } from "./commands.ts";
import { isComplete } from "./job-state.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState } from "./model.ts";
import type { RangePairs } from "./range-set.ts";

/** Settles `[first, end)`: the first to come decides. Returns the parts that weren't decided before. */
export function decide(job: JobState, first: number, end: number): RangePairs {
  const added = job.decided.add(first, end);
  if (end > job.fresh) {
    for (let i = 0; i < added.length; i += 2) {
      const from = Math.max(added[i]!, job.fresh);
      const to = Math.min(added[i + 1]!, job.drawn);
      if (to > from) job.backlog -= to - from;
    }
  }
  if (job.charges) for (let i = first; i < end; i++) job.charges.delete(i);
  return added;
}

/** Settles tasks as failed, by the driver's word. */
export function failTasks(
  state: SchedulerState,
  job: JobState,
  first: number,
  end: number,
  kind: TaskFailureKind,
  evidence: string,
  attempts: number,
): void {
  const parts = decide(job, first, end);
  for (let i = 0; i < parts.length; i += 2) {
    const count = parts[i + 1]! - parts[i]!;
    state.out.push({ type: "fail", job: job.id, first: parts[i]!, count, kind, evidence, attempts });
  }
  if (parts.length > 0) afterDecision(state, job, parts[0]);
}

/**
 * To be called after outcomes were decided and their commands issued: cancels attempts that nobody needs any more,
 * and ends the job where it is over. `failedIndex`: the first of the decided tasks that failed, if any.
 */
export function afterDecision(state: SchedulerState, job: JobState, failedIndex: number | undefined): void {
  if (job.overlapping) cancelLosers(state, job, job.overlapping);
  if (failedIndex !== undefined && job.plan.stopOnFailure) endJob(state, job, "failed", failedIndex);
  else if (isComplete(job)) endJob(state, job, "done", undefined);
}

function cancelLosers(state: SchedulerState, job: JobState, overlapping: ReadonlySet<AttemptState>): void {
  for (const attempt of overlapping) {
    const useless = attempt.cursor < attempt.end && job.decided.covers(attempt.cursor, attempt.end);
    if (useless) abort(state, attempt);
  }
}

export function abort(state: SchedulerState, attempt: AttemptState): void {
  if (attempt.cancelling === "abort") return;
  attempt.cancelling = "abort";
  state.out.push({ type: "cancel", attempt: attempt.id, how: "abort" });
}

/**
 * Ends a job: from here on no attempt of it starts, and what its running attempts still report doesn't count. Tasks
 * without an outcome are cancelled by the end itself (FORMAT.md, "ended").
 */
export function endJob(
  state: SchedulerState,
  job: JobState,
  kind: JobEndKind,
  failedIndex: number | undefined,
): void {
  if (job.ended) return;
  job.ended = true;
  state.jobs.delete(job.id);
  state.wantedSlots -= job.wantedSlots;
  job.wantedSlots = 0;
  job.requeued.length = 0;
  for (const attempt of job.attempts) {
    if (attempt.cursor < attempt.end) abort(state, attempt);
  }
  state.out.push({ type: "end", job: job.id, kind, failedIndex });
}
