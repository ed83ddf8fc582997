import { affordableTasks, onOverspent } from "./budget.ts";
import { Fifo } from "./fifo.ts";
import { knownTasks, memoryOf, takeTasks, triesOf } from "./job-state.ts";
import { lentSlots, mayStart, stopWaiting } from "./lending.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState, SlotState } from "./model.ts";
import { batchTasks } from "./policy.ts";

/** How many tasks are drawn first: few, so that the first ones start at once. */
const FIRST_DRAW_TASKS = 64;

/** Gives work to idle slots, then lets quick work wait behind quick work. */
export function dispatch(state: SchedulerState): void {
  let slot = state.slots.peekIdle();
  let filled: SlotState[] | undefined;
  while (slot) {
    const job = peekJob(state);
    if (!job || !mayStart(state, job.plan.depth)) break;
    nextJob(state);
    if (assign(state, job, slot)) {
      if (slot.queue > 0) (filled ??= []).push(slot);
      slot = state.slots.peekIdle();
    }
    enqueueJob(state, job);
  }
  if (state.touched) fillBehind(state, state.touched);
  if (filled) for (const one of filled) fillBehind(state, one);
  state.touched = undefined;
}

/** Puts a job with work at the end of its queue. */
export function enqueueJob(state: SchedulerState, job: JobState): void {
  if (job.queued || job.ended || !hasWork(job)) return;
  job.queued = true;
  const { depth } = job.plan;
  while (state.ready.length <= depth) state.ready.push(new Fifo());
  state.ready[depth]!.push(job);
}

export function hasWork(job: JobState): boolean {
  if (job.isOverspent) return false;
  return job.requeued.length > 0 || job.decided.nextGap(job.fresh) < job.drawn;
}

/** Takes the job whose turn it is: the deepest nested first, each level in turn. */
function nextJob(state: SchedulerState): JobState | undefined {
  const job = peekJob(state);
  if (job) {
    state.ready[job.plan.depth]!.shift();
    job.queued = false;
  }
  return job;
}

function peekJob(state: SchedulerState): JobState | undefined {
  for (let depth = state.ready.length - 1; depth >= 0; depth--) {
    const queue = state.ready[depth]!;
    for (let job = queue.peek(); job; job = queue.peek()) {
      if (!job.ended && hasWork(job) && job.slots < job.plan.concurrency) return job;
      // A job at its limit comes back when one of its attempts ends.
      queue.shift();
      job.queued = false;
    }
  }
  return undefined;
}

/** Starts the job's next batch on the slot; false if it has none. */
function assign(state: SchedulerState, job: JobState, slot: SlotState): boolean {
  const range = takeBatch(state, job);
  if (!range) return false;
  startAttempt(state, job, slot, range.first, range.end);
  return true;
}

/** The job's next batch; undefined if it has none, or may not pay for it. */
export function takeBatch(state: SchedulerState, job: JobState): { first: number; end: number } | undefined {
  const tasks = affordableTasks(state, job, nextBatch(state, job));
  if (tasks > 0) return takeTasks(job, tasks);
  onOverspent(state, job);
  return undefined;
}

function nextBatch(state: SchedulerState, job: JobState): number {
  const { plan, durations } = job;
  return batchTasks(state.policy, {
    fixed: plan.batch,
    alone: plan.isolate || !plan.idempotent,
    taskMs: durations.meanMs,
    measuredTasks: durations.tasks,
    unassigned: job.backlog + Math.max(0, knownTasks(job) - job.drawn),
    slots: Math.min(plan.concurrency, Math.max(state.slots.size, state.scaledTo)),
    inputBytesPerTask: job.drawnBytes / Math.max(1, job.drawn),
    storeMs: plan.storeMs,
  });
}

export function startAttempt(
  state: SchedulerState,
  job: JobState,
  slot: SlotState,
  first: number,
  end: number,
  { backup = false, host }: { readonly backup?: boolean; readonly host?: AttemptState } = {},
): AttemptState {
  const attempt: AttemptState = {
    id: state.nextAttempt,
    job,
    slot,
    first,
    end,
    cursor: first,
    ownEnd: end,
    startedMs: state.nowMs,
    progressMs: state.nowMs,
    phase: slot.attempts.length === 0 ? "running" : "queued",
    cancelling: undefined,
    hasBackup: false,
    nested: undefined,
    host,
    guest: undefined,
    isClosed: false,
  };
  state.nextAttempt = state.nextAttempt >= 0xffff_ffff ? 1 : state.nextAttempt + 1;
  if (!slot.attempts.some((other) => other.job === job)) job.slots += 1;
  slot.attempts.push(attempt);
  if (host) host.guest = attempt;
  else state.slots.setBusy(slot);
  state.attempts.set(attempt.id, attempt);
  job.attempts.add(attempt);
  const count = end - first;
  const tries = triesOf(job, first, end);
  const memoryMb = memoryOf(job, first, end);
  state.out.push({
    type: "start",
    job: job.id,
    attempt: attempt.id,
    slot: slot.name,
    ...(host ? { host: host.id } : undefined),
    first,
    count,
    backup,
    ...(tries ? { tries } : undefined),
    ...(memoryMb === undefined ? undefined : { memoryMb }),
  });
  return attempt;
}

/** Forgets an attempt that has ended; the one behind it runs now. */
export function removeAttempt(state: SchedulerState, attempt: AttemptState): void {
  const { job, slot, host } = attempt;
  state.attempts.delete(attempt.id);
  job.attempts.delete(attempt);
  job.overlapping?.delete(attempt);
  if (attempt.phase === "waiting") stopWaiting(state, attempt);
  if (host?.guest === attempt) host.guest = undefined;
  const wasHead = slot.attempts[0] === attempt;
  slot.attempts.splice(slot.attempts.indexOf(attempt), 1);
  if (!slot.attempts.some((other) => other.job === job)) job.slots -= 1;
  const head = slot.attempts[0];
  if (!head) {
    if (state.slots.has(slot)) state.slots.setIdle(slot);
  } else if (wasHead) {
    head.phase = "running";
    head.progressMs = state.nowMs;
  }
  state.touched = slot;
}

/** Work may wait in a slot's queue where that hides the round trip and holds nothing up. */
function fillBehind(state: SchedulerState, slot: SlotState): void {
  while (slot.attempts.length > 0 && slot.attempts.length <= slot.queue && isQuick(state, slot)) {
    // Whoever's turn it is but can't wait here gets the slot once it is empty: nobody slips in before.
    const job = peekJob(state) ?? limitedJob(slot);
    if (!job || !mayWait(state, job)) return;
    if (job.queued) nextJob(state);
    const assigned = assign(state, job, slot);
    enqueueJob(state, job);
    if (!assigned) return;
  }
}

/** The job that holds the slot alone, and can't have another one: its batches may follow each other there. */
function limitedJob(slot: SlotState): JobState | undefined {
  const { job } = slot.attempts[0]!;
  if (job.ended || job.slots < job.plan.concurrency || !hasWork(job)) return undefined;
  return slot.attempts.every((attempt) => attempt.job === job) ? job : undefined;
}

function isQuick(state: SchedulerState, slot: SlotState): boolean {
  const head = slot.attempts[0]!;
  if (head.phase !== "running" || state.nowMs - head.progressMs > state.policy.holdMs) return false;
  let expectedMs = 0;
  for (const { job, cursor, end, cancelling } of slot.attempts) {
    if (cancelling || job.durations.meanMs === undefined) return false;
    expectedMs += (end - cursor) * job.durations.meanMs;
  }
  return expectedMs <= state.policy.queueBehindMs;
}

function mayWait(state: SchedulerState, job: JobState): boolean {
  const { meanMs } = job.durations;
  return meanMs !== undefined && meanMs <= state.policy.queueBehindMs && !job.plan.isolate;
}

/** Draws more of the input: eagerly where its length is known, else within a window. */
export function drawMore(state: SchedulerState, job: JobState): void {
  if (job.inputDone || job.input !== "idle") return;
  const { policy } = state;
  let maxTasks = job.drawn === 0 ? Math.min(FIRST_DRAW_TASKS, policy.drawTasks) : policy.drawTasks;
  if (job.plan.knownLength === undefined) {
    maxTasks = Math.min(maxTasks, roomAhead(state, job));
    if (maxTasks <= 0) return;
  }
  job.input = "drawing";
  state.out.push({ type: "draw", job: job.id, maxTasks, maxBytes: policy.drawBytes });
}

/** How many more tasks an input of unknown length may be ahead of what is committed. */
function roomAhead(state: SchedulerState, job: JobState): number {
  const { policy } = state;
  const slots = Math.max(1, state.slots.size);
  const batch =
    job.durations.meanMs === undefined ? 1 : policy.batchMs / Math.max(job.durations.meanMs, 1e-4);
  const window = Math.max(policy.aheadTasks, 8 * slots * Math.min(policy.batchTasks, batch));
  const bytesPerTask = job.drawnBytes / Math.max(1, job.drawn);
  const byBytes = Math.max(2 * slots, policy.aheadBytes / Math.max(1, bytesPerTask));
  return Math.floor(Math.min(window, byBytes)) - (job.drawn - job.committed);
}

/** How many slots the job could use now, as a part of what all could use. */
export function countDemand(state: SchedulerState, job: JobState | undefined): void {
  if (!job || job.ended) return;
  const wanted = Math.min(job.plan.concurrency, job.slots + Math.max(0, job.backlog));
  state.wantedSlots += wanted - job.wantedSlots;
  job.wantedSlots = wanted;
}

/** Tells the backend how many slots are wanted. It never asks for fewer, but for lent ones: workers stay warm. */
export function scale(state: SchedulerState): void {
  const base = Math.max(state.scaledTo, Math.min(state.maxSlots, state.wantedSlots));
  const lent = lentSlots(state);
  if (base === state.scaledTo && lent === state.lent) return;
  state.scaledTo = base;
  state.lent = lent;
  state.out.push({ type: "scale", slots: base + state.lent });
}
