import type { SchedulerEvent } from "./commands.ts";
import { chargesOf, runsElsewhere } from "./job-state.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState } from "./model.ts";
import { afterDecision, decide } from "./outcomes.ts";
import { backoffMs } from "./policy.ts";
import type { RangePairs } from "./range-set.ts";
import { delayRange } from "./retries.ts";

type Proposed = Extract<SchedulerEvent, { type: "proposed" }>;

/** An attempt reports outcomes: those that nobody decided before are committed. */
export function onProposed(state: SchedulerState, event: Proposed): JobState | undefined {
  const attempt = state.attempts.get(event.attempt);
  if (!attempt) return undefined;
  const { job } = attempt;
  const first = Math.max(attempt.first, event.first);
  const end = Math.min(attempt.end, event.first + event.count);
  if (end > attempt.cursor) attempt.cursor = end;
  attempt.progressMs = state.nowMs;
  state.touched = attempt.slot;
  if (attempt.cancelling === "revoke") attempt.cancelling = undefined; // too late: it runs
  if (job.ended || first >= end) return job;
  job.barren = 0;
  job.throttled = 0;
  job.durations.add(event.busyMs, event.count);

  let failedIndex: number | undefined;
  let parts: RangePairs;
  if (!event.thrown) {
    parts = decide(job, first, end);
  } else {
    const mixed = decideWithFailures(state, job, attempt, first, end, event.thrown);
    ({ parts, failedIndex } = mixed);
  }
  if (parts.length > 0) {
    state.out.push({ type: "commit", job: job.id, ranges: parts, proposal: event.proposal });
    afterDecision(state, job, failedIndex);
  }
  return job;
}

/** Decides `[first, end)` but for the tasks that threw and may run again. */
function decideWithFailures(
  state: SchedulerState,
  job: JobState,
  attempt: AttemptState,
  first: number,
  end: number,
  thrown: NonNullable<Proposed["thrown"]>,
): { parts: RangePairs; failedIndex: number | undefined } {
  const parts: number[] = [];
  let failedIndex: number | undefined;
  let at = first;
  for (const { index, retry } of thrown) {
    if (index < first || index >= end || job.decided.has(index)) continue;
    if (retry && job.plan.idempotent) {
      parts.push(...decide(job, at, index));
      at = index + 1;
      retryThrown(state, job, attempt, index);
    } else {
      failedIndex ??= index;
    }
  }
  parts.push(...decide(job, at, end));
  return { parts, failedIndex };
}

function retryThrown(state: SchedulerState, job: JobState, attempt: AttemptState, index: number): void {
  const charges = chargesOf(job, index);
  charges.thrown += 1;
  if (runsElsewhere(job, index, attempt)) return;
  const delayMs = backoffMs(state.policy, charges.thrown, state.random());
  const because = "threw";
  state.out.push({ type: "retry", job: job.id, index, because, charged: charges.thrown, delayMs });
  delayRange(state, job, index, index + 1, delayMs, false);
}

/** Outcomes of an earlier driver's attempts: committed rather than computed again. */
export function onAdopted(
  state: SchedulerState,
  event: Extract<SchedulerEvent, { type: "adopted" }>,
): JobState | undefined {
  const job = state.jobs.get(event.job);
  if (!job) return undefined;
  const parts = decide(job, event.first, event.first + event.count);
  if (parts.length === 0) return job;
  state.out.push({ type: "commit", job: job.id, ranges: parts, proposal: event.proposal });
  const { failedIndex } = event;
  const failed = failedIndex !== undefined && contains(parts, failedIndex);
  afterDecision(state, job, failed ? failedIndex : undefined);
  return job;
}

function contains(pairs: RangePairs, index: number): boolean {
  for (let i = 0; i < pairs.length; i += 2) if (index >= pairs[i]! && index < pairs[i + 1]!) return true;
  return false;
}
