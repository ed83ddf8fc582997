import type { SchedulerState } from "./machine.ts";
import type { AttemptState } from "./model.ts";

/** A task waits for a nested job: its slot is lent, to what is nested deeper. */
export function startWaiting(state: SchedulerState, attempt: AttemptState): void {
  state.waiting.add(attempt);
  attempt.isClosed = false;
  countLender(state, attempt, 1);
}

/** It goes on, or is over. */
export function stopWaiting(state: SchedulerState, attempt: AttemptState): void {
  if (state.waiting.delete(attempt)) countLender(state, attempt, -1);
}

/** A guest has no slot of its own that it could lend. */
function countLender({ lenders }: SchedulerState, { host, job }: AttemptState, change: 1 | -1): void {
  if (host) return;
  const { depth } = job.plan;
  while (lenders.length <= depth) lenders.push(0);
  lenders[depth]! += change;
}

export function lentSlots({ lenders }: SchedulerState): number {
  return lenders.reduce((sum, count) => sum + count, 0);
}

/**
 * How many of its workers the backend has to keep running. Where a waiting task keeps its worker, that one counts: no
 * other can be had in its place.
 */
export function workersInUse(state: SchedulerState): number {
  const { slots, takesGuests } = state;
  return slots.size - slots.idle - (takesGuests ? 0 : lentSlots(state));
}

/**
 * Whether one more attempt of a job of this depth may start. Not where too many of its equals wait already: if they all
 * took slots that others lend, none would be left for what they wait for.
 */
export const mayStart = (state: SchedulerState, depth: number): boolean =>
  workersInUse(state) < state.limit && (state.lenders[depth] ?? 0) <= state.maxSlots;
