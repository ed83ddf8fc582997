import { affordableTasks } from "./budget.ts";
import { dispatch, enqueueJob, startAttempt } from "./dispatch.ts";
import { knownTasks, requeue } from "./job-state.ts";
import { mayStart } from "./lending.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState } from "./model.ts";
import { wantsBackup } from "./policy.ts";

/**
 * While slots are idle: takes work from behind attempts that have been silent for long (workers report at least
 * every few tasks, so silence means one long task), and starts backups of their running tasks.
 */
export function checkStragglers(state: SchedulerState): void {
  if (state.slots.idle === 0) return;
  let released = false;
  for (const attempt of state.attempts.values()) {
    if (attempt.phase !== "running" || attempt.job.ended) continue;
    const silentMs = state.nowMs - attempt.progressMs;
    if (silentMs < state.policy.holdMs) continue;
    revokeBehind(state, attempt);
    if (attempt.cancelling === "abort" || !attempt.job.plan.idempotent) continue;
    if (releaseMates(state, attempt, silentMs)) released = true;
  }
  if (released) dispatch(state);
  if (state.slots.idle > 0) startBackups(state);
}

function revokeBehind(state: SchedulerState, head: AttemptState): void {
  for (const attempt of head.slot.attempts) {
    if (attempt === head || attempt.cancelling) continue;
    attempt.cancelling = "revoke";
    state.out.push({ type: "cancel", attempt: attempt.id, how: "revoke" });
  }
}

/** The tasks behind the running one are given to others too; whoever is first decides. */
function releaseMates(state: SchedulerState, attempt: AttemptState, silentMs: number): boolean {
  const { job, cursor } = attempt;
  const usualMs = (job.durations.meanMs ?? 0) * state.policy.backupTimesMedian;
  if (cursor + 1 >= attempt.ownEnd || silentMs < Math.max(state.policy.releaseMs, usualMs)) return false;
  requeue(job, cursor + 1, attempt.ownEnd);
  attempt.ownEnd = cursor + 1;
  overlap(job, attempt);
  enqueueJob(state, job);
  return true;
}

function startBackups(state: SchedulerState): void {
  for (const attempt of state.attempts.values()) {
    if (!mayBackUp(state, attempt)) continue;
    const slot = state.slots.peekIdle();
    if (!slot || !mayStart(state, attempt.job.plan.depth)) return;
    attempt.hasBackup = true;
    overlap(attempt.job, attempt);
    const backup = startAttempt(state, attempt.job, slot, attempt.cursor, attempt.cursor + 1, {
      backup: true,
    });
    backup.hasBackup = true;
    overlap(attempt.job, backup);
  }
}

function mayBackUp(state: SchedulerState, attempt: AttemptState): boolean {
  const { job, phase, cancelling, hasBackup, cursor } = attempt;
  if (phase !== "running" || cancelling === "abort" || hasBackup || job.ended || !job.plan.idempotent)
    return false;
  if (cursor >= attempt.ownEnd || job.decided.has(cursor) || job.slots >= job.plan.concurrency) return false;
  const silentMs = state.nowMs - attempt.progressMs;
  if (silentMs < state.policy.backupMs) return false;
  if (affordableTasks(state, job, 1) === 0) return false;
  return wantsBackup(state.policy, silentMs, job.durations.medianMs(), knownTasks(job), job.decided.size);
}

function overlap(job: JobState, attempt: AttemptState): void {
  (job.overlapping ??= new Set()).add(attempt);
}
