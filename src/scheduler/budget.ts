import type { SchedulerState } from "./machine.ts";
import type { AttemptState, JobState } from "./model.ts";
import { endJob } from "./outcomes.ts";

/** What a job may cost, and what its attempts do. */
export interface JobBudget {
  readonly usd: number;
  /** Of a worker's time. */
  readonly usdPerMs: number;
  /** Of an attempt, however long. */
  readonly usdPerAttempt: number;
}

/** What a task is thought to take before any was measured. */
const UNMEASURED_MS = 1000;

/** How many of `tasks` tasks a new attempt may hold, so that spending and what is in flight stay within the budget. */
export function affordableTasks(state: SchedulerState, job: JobState, tasks: number): number {
  const { budget } = job.plan;
  if (!budget) return tasks;
  const leftUsd = budget.usd - job.spentUsd - inFlightUsd(state, job, budget) - startUsd(job, budget);
  const most = Math.floor(leftUsd / taskUsd(job, budget) + 1e-9);
  return Math.max(0, Math.min(tasks, most));
}

/** Nothing more may start. Once nothing runs either, the job is let go: it can be resumed. */
export function onOverspent(state: SchedulerState, job: JobState): void {
  job.isOverspent = true;
  if (job.attempts.size > 0 || job.ended) return;
  state.out.push({ type: "overspent", job: job.id, spentUsd: job.spentUsd });
  endJob(state, job, "released", undefined);
}

/** An attempt has ended and cost so much; `tasks` of its outcomes were decided by it. */
export function onSpent(job: JobState, attempt: AttemptState, usd: number): void {
  job.spentUsd += usd;
  const tasks = attempt.cursor - attempt.first;
  if (tasks > 0) {
    job.measuredUsd += usd;
    job.measuredTasks += tasks;
  }
  job.isOverspent = false;
}

/** By what attempts cost that brought outcomes, their start and the way to them included; before, by a guess. */
function taskUsd(job: JobState, budget: JobBudget): number {
  return job.measuredTasks > 0 ? job.measuredUsd / job.measuredTasks : UNMEASURED_MS * budget.usdPerMs;
}

/** Measured tasks have their part of it. */
const startUsd = (job: JobState, { usdPerAttempt }: JobBudget): number =>
  job.measuredTasks > 0 ? 0 : usdPerAttempt;

function inFlightUsd({ nowMs }: SchedulerState, job: JobState, budget: JobBudget): number {
  const each = taskUsd(job, budget);
  let usd = 0;
  for (const { startedMs, first, end } of job.attempts) {
    usd += startUsd(job, budget) + Math.max((end - first) * each, (nowMs - startedMs) * budget.usdPerMs);
  }
  return usd;
}
