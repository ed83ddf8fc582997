import type { AttemptEnd } from "../compute/contract.ts";
import { onSpent } from "./budget.ts";
import { removeAttempt } from "./dispatch.ts";
import { chargesOf, requeue, runsElsewhere } from "./job-state.ts";
import { workersInUse } from "./lending.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, Charges, JobState } from "./model.ts";
import { decide, endJob, failTasks } from "./outcomes.ts";
import { afterSuccess, afterThrottle, backoffMs, type ChargedKind, mayRetry, memoryAfter } from "./policy.ts";
import type { RangePairs } from "./range-set.ts";
import { delayRange } from "./retries.ts";

type Failure = Exclude<AttemptEnd, { kind: "ok" | "unloadable" }>;

/** An attempt is over: its slot is free, and the tasks that it leaves without an outcome are given to others or fail. */
export function onAttemptEnded(
  state: SchedulerState,
  id: number,
  end: AttemptEnd,
  costUsd = 0,
): JobState | undefined {
  const attempt = state.attempts.get(id);
  if (!attempt) return undefined;
  const { job } = attempt;
  removeAttempt(state, attempt);
  onSpent(job, attempt, costUsd);
  if (end.kind === "throttled") onThrottle(state);
  if (end.kind === "revoked" && attempt.host) attempt.host.isClosed = true;
  if (job.ended) return job;
  if (end.kind === "ok" && showsRoom(state, attempt)) raiseLimit(state);

  const left = leftover(job, attempt);
  switch (end.kind) {
    case "ok":
      // Every task should have been reported; the outcome of one that wasn't is lost.
      if (left.length > 0) {
        const evidence = "the worker ended the batch without this outcome";
        charge(state, attempt, left, { kind: "lost", startedTask: left[0], evidence }, left[0]!);
      }
      break;
    case "unloadable":
      if (left.length > 0) failUnloadable(state, job, left[0]!, end.error);
      break;
    case "revoked":
      giveBack(state, job, left, 0);
      break;
    case "throttled":
      onThrottled(state, attempt, left, end);
      break;
    case "cancelled":
      if (attempt.cancelling) giveBack(state, job, left, 0);
      else onUncharged(state, attempt, left, end);
      break;
    default:
      onFailure(state, attempt, left, end);
  }
  return job;
}

/** The tasks without an outcome that nobody else is to bring. */
function leftover(job: JobState, attempt: AttemptState): number[] {
  if (attempt.cursor >= attempt.ownEnd) return [];
  const gaps = job.decided.gaps(attempt.cursor, attempt.ownEnd);
  if (!job.overlapping || job.overlapping.size === 0) return gaps;
  const left: number[] = [];
  for (let i = 0; i < gaps.length; i += 2) {
    for (let index = gaps[i]!; index < gaps[i + 1]!; index++) {
      if (!runsElsewhere(job, index, attempt)) left.push(index, index + 1);
    }
  }
  return left;
}

function onFailure(state: SchedulerState, attempt: AttemptState, left: RangePairs, end: Failure): void {
  const { job } = attempt;
  if (end.mayHaveStarted) {
    onSuspects(state, attempt, left, end);
    return;
  }
  const started = end.startedTask ?? (end.kind === "timed-out" ? attempt.cursor : undefined);
  if (started === undefined || started < attempt.first || started >= attempt.end) {
    onUncharged(state, attempt, left, end);
  } else if (job.decided.has(started)) {
    giveBack(state, job, left, 0);
  } else {
    charge(state, attempt, left, end, started);
  }
}

/** The task that had started answers for the failure; its batch mates just run again. */
function charge(
  state: SchedulerState,
  attempt: AttemptState,
  left: RangePairs,
  end: Failure,
  started: number,
): void {
  const { job } = attempt;
  const kind = end.kind as ChargedKind;
  const charges = chargesOf(job, started);
  charges.infrastructure += 1;
  if (kind === "out-of-memory") charges.outOfMemory += 1;
  giveBack(state, job, left, 0, started);
  const mine = started < attempt.ownEnd && !runsElsewhere(job, started, attempt);
  if (!mine) return; // a backup of it is running, or it waits for one
  const charged = charges.infrastructure;
  const { retries, idempotent } = job.plan;
  if (mayRetry(kind, charged, retries, idempotent, getsMore(job, charges))) {
    // The first time at once: most crashes are the worker's, not the task's.
    const delayMs = charged === 1 ? 0 : backoffMs(state.policy, charged - 1, state.random());
    state.out.push({ type: "retry", job: job.id, index: started, because: kind, charged, delayMs });
    delayRange(state, job, started, started + 1, delayMs, true);
  } else {
    failTasks(state, job, started, started + 1, kind, end.evidence, charged + charges.thrown);
  }
}

/** Whether the task's next try has more memory than the one that just ran out of it. */
function getsMore({ plan: { memory } }: JobState, { outOfMemory: times }: Charges): boolean {
  return memory !== undefined && times > 0 && memoryAfter(memory, times) > memoryAfter(memory, times - 1);
}

/** Which task had started isn't known: each runs again by itself, so that the next time it is. */
function onSuspects(state: SchedulerState, attempt: AttemptState, left: RangePairs, end: Failure): void {
  if (attempt.end - attempt.cursor === 1 && left.length > 0) {
    charge(state, attempt, left, end, attempt.cursor);
    return;
  }
  for (let i = left.length - 2; i >= 0; i -= 2)
    delayRange(state, attempt.job, left[i]!, left[i + 1]!, 0, true);
}

/** No task had started: nobody is charged, but it can't go on like that for ever. */
function onUncharged(state: SchedulerState, attempt: AttemptState, left: RangePairs, end: Failure): void {
  const { job } = attempt;
  if (attempt.cursor > attempt.first) {
    giveBack(state, job, left, 0);
    return;
  }
  job.barren += 1;
  if (job.barren < state.policy.barrenAttempts) {
    giveBack(state, job, left, backoffMs(state.policy, job.barren, state.random()));
  } else {
    failAll(state, job, left, end);
  }
}

function onThrottled(state: SchedulerState, attempt: AttemptState, left: RangePairs, end: Failure): void {
  const { job } = attempt;
  // Many that start at once, and are refused at once, are one sign of too much, not many.
  if (attempt.progressMs >= job.throttledMs) {
    job.throttled += 1;
    job.throttledMs = state.nowMs;
  }
  if (job.throttled < state.policy.throttledAttempts) {
    const delayMs = backoffMs(state.policy, job.throttled, state.random());
    giveBack(state, job, left, Math.max(delayMs, end.retryAfterMs ?? 0));
  } else {
    failAll(state, job, left, end);
  }
}

function failAll(state: SchedulerState, job: JobState, left: RangePairs, end: Failure): void {
  const kind = end.kind === "revoked" ? "cancelled" : end.kind;
  for (let i = 0; i < left.length && !job.ended; i += 2) {
    failTasks(state, job, left[i]!, left[i + 1]!, kind, end.evidence, 0);
  }
}

function failUnloadable(state: SchedulerState, job: JobState, index: number, error: Uint8Array): void {
  decide(job, index, index + 1);
  state.out.push({ type: "fail-unloadable", job: job.id, index, error });
  endJob(state, job, "failed", index);
}

/** Lets the tasks run again, uncharged, but for `except`. */
function giveBack(
  state: SchedulerState,
  job: JobState,
  left: RangePairs,
  delayMs: number,
  except = -1,
): void {
  for (let i = left.length - 2; i >= 0; i -= 2) {
    const first = left[i]!;
    const end = left[i + 1]!;
    if (except < first || except >= end) {
      again(state, job, first, end, delayMs);
    } else {
      again(state, job, except + 1, end, delayMs);
      again(state, job, first, except, delayMs);
    }
  }
}

function again(state: SchedulerState, job: JobState, first: number, end: number, delayMs: number): void {
  if (first >= end) return;
  if (delayMs > 0) delayRange(state, job, first, end, delayMs, false);
  else requeue(job, first, end);
}

function onThrottle(state: SchedulerState): void {
  if (state.nowMs - state.throttledMs < state.policy.throttleMs) return;
  state.throttledMs = state.nowMs;
  state.limit = afterThrottle(state.limit, workersInUse(state));
  state.out.push({ type: "limit", slots: state.limit });
}

/** A guest took no worker: it says nothing of how many there are, but after a while that is to be tried again. */
function showsRoom({ limit, nowMs, throttledMs, policy }: SchedulerState, { host }: AttemptState): boolean {
  if (limit === Number.POSITIVE_INFINITY) return false;
  return host === undefined || nowMs - throttledMs >= policy.probeMs;
}

function raiseLimit(state: SchedulerState): void {
  state.limit = afterSuccess(state.limit, state.maxSlots);
  if (state.limit === Number.POSITIVE_INFINITY) state.out.push({ type: "limit", slots: state.limit });
}
