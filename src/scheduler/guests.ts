import { enqueueJob, hasWork, startAttempt, takeBatch } from "./dispatch.ts";
import { memoryOf, requeue } from "./job-state.ts";
import { lentSlots, workersInUse } from "./lending.ts";
import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState } from "./model.ts";

/**
 * Where the backend gives no more workers, and those that it gave are kept by tasks that wait for nested jobs: one
 * batch of these jobs runs on the worker of each task that waits, as its guest. So some task that others wait for can
 * always run, however few workers there are.
 */
export function inviteGuests(state: SchedulerState): void {
  if (!state.takesGuests || state.waiting.size === 0 || workersInUse(state) < state.limit) return;
  for (const host of state.waiting) {
    if (host.guest || host.isClosed || host.cancelling) continue;
    const job = host.nested?.find(isInNeed);
    if (job) invite(state, host, job);
  }
}

const isInNeed = (job: JobState): boolean => !job.ended && hasWork(job) && job.slots < job.plan.concurrency;

function invite(state: SchedulerState, host: AttemptState, job: JobState): void {
  const range = takeBatch(state, job);
  if (!range) return;
  const { first, end } = range;
  if (fits(host, job, first, end)) {
    const slot = { name: `${host.slot.name}/guest`, queue: 0, attempts: [], idleAt: -1 };
    startAttempt(state, job, slot, first, end, { host });
  } else {
    const slot = state.slots.peekIdle();
    // It needs a worker of its own: whether there is one, only trying shows.
    if (slot && workersInUse(state) - lentSlots(state) < state.limit)
      startAttempt(state, job, slot, first, end);
    else requeue(job, first, end);
  }
  enqueueJob(state, job);
}

/** Whether the host's worker has the memory that the tasks need. */
function fits({ job: hosts, first, end }: AttemptState, job: JobState, from: number, to: number): boolean {
  const hasMb = memoryOf(hosts, first, end) ?? hosts.plan.memory?.mb ?? Number.POSITIVE_INFINITY;
  const needsMb = memoryOf(job, from, to) ?? job.plan.memory?.mb ?? 0;
  return needsMb <= hasMb;
}
