import { onAttemptEnded } from "./attempt-ended.ts";
import type { Command, SchedulerEvent } from "./commands.ts";
import { countDemand, dispatch, drawMore, enqueueJob, scale } from "./dispatch.ts";
import { inviteGuests } from "./guests.ts";
import { createJob, isComplete, requeue } from "./job-state.ts";
import { startWaiting, stopWaiting } from "./lending.ts";
import type { SchedulerState } from "./machine.ts";
import type { JobState } from "./model.ts";
import { endJob, failTasks } from "./outcomes.ts";
import { onAdopted, onProposed } from "./proposals.ts";
import { checkStragglers } from "./stragglers.ts";

/** Takes one event; returns what is to be done, in order. */
export function step(state: SchedulerState, event: SchedulerEvent, nowMs: number): Command[] {
  state.nowMs = nowMs;
  state.out = [];
  switch (event.type) {
    case "job-added":
      return finish(state, onJobAdded(state, event));
    case "inputs-drawn":
      return finish(state, onInputsDrawn(state, event));
    case "input-pending":
    case "input-ready":
      return finish(state, onInput(state, event.job, event.type));
    case "offer":
      state.slots.offer(event.slot, event.queue);
      break;
    case "withdrawn":
      onWithdrawn(state, event.slot);
      break;
    case "proposed":
      return finish(state, onProposed(state, event));
    case "adopted":
      return finish(state, onAdopted(state, event));
    case "attempt-ended":
      return finish(state, onAttemptEnded(state, event.attempt, event.end, event.costUsd));
    case "committed":
      return finish(state, onCommitted(state, event.job, event.count));
    case "input-failed":
      endById(state, event.job, "failed");
      break;
    case "fenced":
    case "broken":
    case "released":
      endById(state, event.job, event.type);
      break;
    case "cancel":
      endById(state, event.job, "cancelled");
      break;
    case "waiting":
      onWaiting(state, event.attempt);
      break;
    case "resumed":
      onResumed(state, event.attempt);
      break;
    case "tick":
      onTick(state);
      break;
  }
  return finish(state, undefined);
}

/** After every event: work goes to free slots, and the next tick is set. `job` is the one it concerned. */
function finish(state: SchedulerState, job: JobState | undefined): Command[] {
  if (job && !job.ended) {
    drawMore(state, job);
    enqueueJob(state, job);
  }
  countDemand(state, job);
  dispatch(state);
  inviteGuests(state);
  setWake(state);
  // Last: a backend may answer at once, and take away a slot that has just been given work.
  scale(state);
  return state.out;
}

function setWake(state: SchedulerState): void {
  let atMs = Number.POSITIVE_INFINITY;
  if (state.delayed.length > 0) atMs = state.delayed[0]!.atMs;
  // Stragglers matter only while someone is free to take their work.
  if (state.slots.idle > 0 && state.attempts.size > 0)
    atMs = Math.min(atMs, state.nowMs + state.policy.checkMs);
  if (atMs < state.wakeMs) {
    state.wakeMs = atMs;
    state.out.push({ type: "wake", atMs });
  }
}

function onJobAdded(state: SchedulerState, event: Extract<SchedulerEvent, { type: "job-added" }>): JobState {
  const { plan, decided } = event;
  const job = createJob(event.job, plan, decided?.ranges ?? []);
  state.jobs.set(job.id, job);
  const parent = plan.parent === undefined ? undefined : state.attempts.get(plan.parent);
  if (parent) (parent.nested ??= []).push(job);
  // Its driver died between recording the failure and the end.
  if (plan.stopOnFailure && decided?.failedIndex !== undefined)
    endJob(state, job, "failed", decided.failedIndex);
  return job;
}

function onInputsDrawn(
  state: SchedulerState,
  event: Extract<SchedulerEvent, { type: "inputs-drawn" }>,
): JobState | undefined {
  const job = state.jobs.get(event.job);
  if (!job) return undefined;
  job.input = "idle";
  const first = job.drawn;
  job.drawn += event.count;
  job.drawnBytes += event.sizeBytes;
  job.backlog += event.count;
  if (job.decided.size > 0) job.backlog -= job.decided.countIn(first, job.drawn);
  if (event.done) job.inputDone = true;
  for (const index of event.upstreamFailed ?? []) {
    if (job.ended) break;
    if (!job.decided.has(index)) failTasks(state, job, index, index + 1, "upstream-failed", "", 0);
  }
  if (!job.ended && isComplete(job)) endJob(state, job, "done", undefined);
  return job;
}

function onInput(
  state: SchedulerState,
  id: number,
  type: "input-pending" | "input-ready",
): JobState | undefined {
  const job = state.jobs.get(id);
  if (!job) return undefined;
  if (type === "input-pending") job.input = "pending";
  else if (job.input === "pending") job.input = "idle";
  return job;
}

function onCommitted(state: SchedulerState, id: number, count: number): JobState | undefined {
  const job = state.jobs.get(id);
  if (job) job.committed += count;
  return job;
}

function endById(state: SchedulerState, id: number, kind: Parameters<typeof endJob>[2]): void {
  const job = state.jobs.get(id);
  if (job) endJob(state, job, kind, undefined);
}

function onWithdrawn(state: SchedulerState, name: string): void {
  const slot = state.slots.get(name);
  if (!slot) return;
  // The backend has ended all that it knew of; what is still here crossed the withdrawal, and never reached it.
  for (const attempt of [...slot.attempts]) {
    const end = { kind: "revoked", startedTask: undefined, evidence: `slot ${name} was withdrawn` } as const;
    onAttemptEnded(state, attempt.id, end);
    enqueueJob(state, attempt.job);
  }
  state.slots.withdraw(slot);
}

/** The task's slot is lent: one slot more elsewhere, and nothing waits behind it. */
function onWaiting(state: SchedulerState, id: number): void {
  const attempt = state.attempts.get(id);
  if (attempt?.phase !== "running") return;
  attempt.phase = "waiting";
  startWaiting(state, attempt);
  for (const behind of attempt.slot.attempts) {
    if (behind !== attempt && !behind.cancelling) {
      behind.cancelling = "revoke";
      state.out.push({ type: "cancel", attempt: behind.id, how: "revoke" });
    }
  }
}

function onResumed(state: SchedulerState, id: number): void {
  const attempt = state.attempts.get(id);
  if (attempt?.phase !== "waiting") return;
  attempt.phase = "running";
  attempt.progressMs = state.nowMs;
  stopWaiting(state, attempt);
}

function onTick(state: SchedulerState): void {
  state.wakeMs = Number.POSITIVE_INFINITY;
  while (state.delayed.length > 0 && state.delayed[0]!.atMs <= state.nowMs) {
    const { job, first, end, alone } = state.delayed.shift()!;
    if (job.ended) continue;
    requeue(job, first, end, alone);
    enqueueJob(state, job);
    countDemand(state, job);
  }
  dispatch(state);
  checkStragglers(state);
}
