import type { TaskFailureKind } from "../job/entries.ts";
import type { TaskMemory } from "./commands.ts";

/** The figures by which the scheduler decides. The defaults suit a laptop and a few thousand workers alike. */
export interface Policy {
  /** How much measured task time a batch should hold: enough to hide a round trip, little enough to balance. */
  readonly batchMs: number;
  readonly batchTasks: number;
  readonly batchBytes: number;
  /** Work waits behind a running batch only if both are expected to be done within this time. */
  readonly queueBehindMs: number;
  /** Inputs drawn at a time. */
  readonly drawTasks: number;
  readonly drawBytes: number;
  /** How far an input of unknown length is drawn ahead of what is committed. */
  readonly aheadTasks: number;
  readonly aheadBytes: number;
  /** After this much silence of a running batch, the batches queued behind it go to idle slots. */
  readonly holdMs: number;
  /** After this much silence, the tasks of the batch that haven't started run elsewhere too. */
  readonly releaseMs: number;
  /** After this much silence (and 3 × the median task), the running task gets a backup. */
  readonly backupMs: number;
  readonly backupTimesMedian: number;
  readonly backupMinTasks: number;
  readonly backupMinDone: number;
  /** How often running batches are looked at while slots are idle. */
  readonly checkMs: number;
  /** First pause before a retry, doubled each time up to the last. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** Attempts in a row that ended before any task started, after which their tasks fail. */
  readonly barrenAttempts: number;
  /** Throttles in a row, with nothing done between them, after which tasks fail; many at once count as one. */
  readonly throttledAttempts: number;
  /** Throttles within this time halve the concurrency once, not once each. */
  readonly throttleMs: number;
  /** So long after the last throttle, one worker more is tried although what runs needs none of its own. */
  readonly probeMs: number;
  /** Where each append to a journal is a request: how long records gather, at least and at most. */
  readonly gatherMs: number;
  readonly gatherMaxMs: number;
}

export const defaultPolicy: Policy = {
  batchMs: 10,
  batchTasks: 1024,
  batchBytes: 1024 * 1024,
  queueBehindMs: 50,
  drawTasks: 1024,
  drawBytes: 1024 * 1024,
  aheadTasks: 1000,
  aheadBytes: 16 * 1024 * 1024,
  holdMs: 100,
  releaseMs: 250,
  backupMs: 1000,
  backupTimesMedian: 3,
  backupMinTasks: 10,
  backupMinDone: 0.5,
  checkMs: 100,
  retryMs: 50,
  retryMaxMs: 30_000,
  barrenAttempts: 10,
  throttledAttempts: 60,
  throttleMs: 1000,
  probeMs: 10_000,
  gatherMs: 100,
  gatherMaxMs: 1000,
};

/**
 * What changes where each request to the store takes its time and its price: records are few and big.
 */
const remotePolicy: Partial<Policy> = {
  drawTasks: 8192,
  drawBytes: 4 * 1024 * 1024,
  aheadTasks: 10_000,
};

/**
 * What changes where workers start when they are needed, and an attempt takes a request: batches hold more, and silence
 * means less.
 */
export const elsewherePolicy: Partial<Policy> = {
  batchMs: 100,
  holdMs: 1000,
  releaseMs: 3000,
  backupMs: 5000,
};

/** What differs from the defaults. `requestsCost`: each request to the store; `elsewhere`: workers on other machines. */
export const policyFor = (requestsCost: boolean, elsewhere: boolean): Partial<Policy> => ({
  ...(requestsCost ? remotePolicy : {}),
  ...(elsewhere ? elsewherePolicy : {}),
});

/** Records gather for this part of the time that there have been any: the longer a job, the less a moment matters. */
const GATHER_PART = 1 / 25;

/**
 * How long records gather before they are appended: twice as long as an append takes, so that most of it is use, and
 * longer in long jobs, so that the number of requests grows slowly.
 */
export const gatherMs = (policy: Policy, appendMs: number, sinceMs: number): number =>
  Math.min(policy.gatherMaxMs, Math.max(policy.gatherMs, 2 * appendMs, sinceMs * GATHER_PART));

export interface BatchFacts {
  /** `batch` option. */
  readonly fixed: number | undefined;
  /** Each task must be an invocation of its own (`isolate`, `idempotent: false`). */
  readonly alone: boolean;
  /** Measured time of one task; undefined before the first report. */
  readonly taskMs: number | undefined;
  /** Tasks measured so far. */
  readonly measuredTasks: number;
  /** Tasks that no attempt holds yet. */
  readonly unassigned: number;
  readonly slots: number;
  readonly inputBytesPerTask: number;
  /** How long a write to the store takes; 0 where that is next to nothing. */
  readonly storeMs: number;
}

/**
 * How many tasks the next batch may hold: about `batchMs` of work, or as much as its outcomes take to be stored (but no
 * more than lets another batch wait behind it); at most a quarter of a slot's share of what is
 * left, and never more than four times what has been measured: tasks that turn out slow are not stuck in one batch.
 */
export function batchTasks(policy: Policy, facts: BatchFacts): number {
  if (facts.alone) return 1;
  if (facts.fixed !== undefined) return facts.fixed;
  if (facts.taskMs === undefined) return 1;
  const workMs = Math.max(policy.batchMs, Math.min(facts.storeMs, policy.queueBehindMs / 2));
  const byTime = workMs / Math.max(facts.taskMs, 1e-4);
  const byShare = Math.ceil(facts.unassigned / (4 * Math.max(1, facts.slots)));
  const byBytes = policy.batchBytes / Math.max(1, facts.inputBytesPerTask);
  const tasks = Math.min(byTime, byShare, byBytes, policy.batchTasks, 4 * facts.measuredTasks);
  return Math.max(1, Math.floor(tasks));
}

/** How an attempt can fail a task that it had started. */
export type ChargedKind = Extract<TaskFailureKind, "crashed" | "lost" | "out-of-memory" | "timed-out">;

/**
 * Whether a task runs again after its worker failed under it, `charged` times by now (this one included).
 * A task past its time limit doesn't: it would only pass it again. One that ran out of memory gets a second
 * chance, in case its predecessors had filled the worker, but no third unless it gets `moreMemory`.
 */
export function mayRetry(
  kind: ChargedKind,
  charged: number,
  retries: number,
  idempotent: boolean,
  moreMemory = false,
): boolean {
  if (!idempotent || kind === "timed-out") return false;
  return charged <= (kind === "out-of-memory" && !moreMemory ? Math.min(1, retries) : retries);
}

/** Memory for a task that ran out of it so many times: twice as much each time, as far as there is. */
export const memoryAfter = ({ mb, maxMb }: TaskMemory, times: number): number =>
  Math.max(mb, Math.min(maxMb, mb * 2 ** Math.min(30, times)));

/** Exponential backoff with jitter; `tries` from 1, `random` in [0, 1). */
export function backoffMs(policy: Policy, tries: number, random: number): number {
  const full = Math.min(policy.retryMaxMs, policy.retryMs * 2 ** Math.min(30, tries - 1));
  return full * (0.5 + random / 2);
}

/** A backup for the running task of an attempt that hasn't reported for `silentMs` (design §4.7). */
export function wantsBackup(
  policy: Policy,
  silentMs: number,
  medianMs: number | undefined,
  knownTasks: number,
  decidedTasks: number,
): boolean {
  return (
    medianMs !== undefined &&
    knownTasks >= policy.backupMinTasks &&
    decidedTasks >= policy.backupMinDone * knownTasks &&
    silentMs >= policy.backupMs &&
    silentMs > policy.backupTimesMedian * medianMs
  );
}

/** Additive increase, multiplicative decrease of the number of slots in use, when the backend throttles. */
export function afterThrottle(limit: number, busySlots: number): number {
  return Math.max(1, Math.floor(Math.min(limit, busySlots + 1) / 2));
}

export function afterSuccess(limit: number, maxSlots: number): number {
  const raised = limit + 1 / Math.max(1, limit);
  return raised >= maxSlots ? Number.POSITIVE_INFINITY : raised;
}
