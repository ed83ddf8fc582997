import { enqueueJob } from "./dispatch.ts";
import { requeue } from "./job-state.ts";
import type { SchedulerState } from "./machine.ts";
import type { JobState } from "./model.ts";

/** Gives `[first, end)` back, to run again after `delayMs`. */
export function delayRange(
  state: SchedulerState,
  job: JobState,
  first: number,
  end: number,
  delayMs: number,
  alone: boolean,
): void {
  if (delayMs <= 0) {
    requeue(job, first, end, alone);
    enqueueJob(state, job);
    return;
  }
  const { delayed } = state;
  const atMs = state.nowMs + delayMs;
  let low = 0;
  let high = delayed.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (delayed[middle]!.atMs <= atMs) low = middle + 1;
    else high = middle;
  }
  delayed.splice(low, 0, { atMs, job, first, end, alone });
}
