import type { TaskTries } from "../compute/contract.ts";
import type { JobPlan } from "./commands.ts";
import { Durations } from "./durations.ts";
import type { AttemptState, Charges, JobState } from "./model.ts";
import { memoryAfter } from "./policy.ts";
import { type RangePairs, RangeSet } from "./range-set.ts";

export function createJob(id: number, plan: JobPlan, decided: RangePairs): JobState {
  const set = new RangeSet();
  for (let i = 0; i < decided.length; i += 2) set.add(decided[i]!, decided[i + 1]!);
  return {
    id,
    plan,
    ended: false,
    drawn: 0,
    drawnBytes: 0,
    inputDone: false,
    input: "idle",
    decided: set,
    committed: set.size,
    fresh: 0,
    requeued: [],
    backlog: 0,
    wantedSlots: 0,
    charges: undefined,
    attempts: new Set(),
    overlapping: undefined,
    slots: 0,
    durations: new Durations(),
    barren: 0,
    spentUsd: 0,
    measuredUsd: 0,
    measuredTasks: 0,
    isOverspent: false,
    throttled: 0,
    throttledMs: Number.NEGATIVE_INFINITY,
    queued: false,
  };
}

/** Takes up to `maxTasks` consecutive undecided tasks, requeued ones first; undefined if there are none. */
export function takeTasks(job: JobState, maxTasks: number): { first: number; end: number } | undefined {
  const { decided, requeued } = job;
  while (requeued.length > 0) {
    const range = requeued[0]!;
    const first = Math.min(decided.nextGap(range.first), range.end);
    job.backlog -= first - range.first;
    range.first = first;
    if (first < range.end) {
      const most = range.alone ? 1 : maxTasks;
      const end = Math.min(range.end, first + most, decided.nextMember(first));
      job.backlog -= end - first;
      range.first = end;
      if (end === range.end) requeued.shift();
      return { first, end };
    }
    requeued.shift();
  }
  const first = decided.nextGap(job.fresh);
  if (first >= job.drawn) {
    job.fresh = Math.max(job.fresh, job.drawn);
    return undefined;
  }
  const end = Math.min(job.drawn, first + maxTasks, decided.nextMember(first));
  job.backlog -= end - first;
  job.fresh = end;
  return { first, end };
}

/** Gives back `[first, end)`, to run before fresh tasks. */
export function requeue(job: JobState, first: number, end: number, alone = false): void {
  job.requeued.unshift({ first, end, alone });
  job.backlog += end - first;
}

export function chargesOf(job: JobState, index: number): Charges {
  const charges = (job.charges ??= new Map<number, Charges>());
  let of = charges.get(index);
  if (!of) charges.set(index, (of = { infrastructure: 0, thrown: 0, outOfMemory: 0 }));
  return of;
}

/** Whether a live attempt other than `except` is to bring the outcome of task `index`. */
export function runsElsewhere(job: JobState, index: number, except: AttemptState | undefined): boolean {
  if (!job.overlapping) return false;
  for (const attempt of job.overlapping) {
    if (attempt !== except && index >= attempt.cursor && index < attempt.ownEnd) return true;
  }
  return false;
}

/** Tasks known to be there, or to come. */
export function knownTasks(job: JobState): number {
  return Math.max(job.drawn, job.inputDone ? 0 : (job.plan.knownLength ?? 0));
}

export function isComplete(job: JobState): boolean {
  return job.inputDone && job.decided.size >= job.drawn;
}

/** Memory for the tasks, where one of them ran out of what the job's tasks get at first. */
export function memoryOf(job: JobState, first: number, end: number): number | undefined {
  const { memory } = job.plan;
  if (!memory || !job.charges) return undefined;
  let times = 0;
  for (const [index, { outOfMemory }] of job.charges) {
    if (index >= first && index < end) times = Math.max(times, outOfMemory);
  }
  return times === 0 ? undefined : memoryAfter(memory, times);
}

/** Numbers of the tries that begin now, of tasks that failed or were lost before; undefined where there are none. */
export function triesOf(job: JobState, first: number, end: number): TaskTries | undefined {
  let tries: Record<number, number> | undefined;
  for (const [index, { infrastructure, thrown }] of job.charges ?? []) {
    if (index >= first && index < end) (tries ??= {})[index] = 1 + infrastructure + thrown;
  }
  return tries;
}
