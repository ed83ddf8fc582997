import type { AttemptEnd, TaskTries } from "../compute/contract.ts";
import type { TaskFailureKind } from "../job/entries.ts";
import type { JobBudget } from "./budget.ts";
import type { RangePairs } from "./range-set.ts";

/** What the state machine must know of a job. Numbers of jobs and attempts are the scheduler's own. */
export interface JobPlan {
  /** The first failed outcome ends the job (`map`). */
  readonly stopOnFailure: boolean;
  /** Tasks that failed with their worker run again so many times. */
  readonly retries: number;
  /** False: a task that has started is never started again. */
  readonly idempotent: boolean;
  /** A process of its own for each task. */
  readonly isolate: boolean;
  /** The most slots at a time; Infinity for no limit. */
  readonly concurrency: number;
  /** Tasks a batch; undefined: by measured time. */
  readonly batch: number | undefined;
  /** How deep the job is nested; deeper ones go first, since a task waits for them. */
  readonly depth: number;
  /** The attempt whose task asked for it. */
  readonly parent?: number;
  /** The input's length is known, so it is drawn eagerly; undefined: within a window. */
  readonly knownLength: number | undefined;
  /** How long a write to the store takes; 0 where that is next to nothing. */
  readonly storeMs: number;
  /** Memory that its tasks get at first, and the most; absent: all workers have the same. */
  readonly memory?: TaskMemory;
  /** What it may cost, where workers cost something. */
  readonly budget?: JobBudget;
}

export interface TaskMemory {
  readonly mb: number;
  readonly maxMb: number;
}

/** Outcomes that a worker has written and reported; opaque to the state machine. */
export type Proposal = object;

/** A task that threw, and whether `retryErrors` lets it run again. */
export interface ThrownTask {
  readonly index: number;
  readonly retry: boolean;
}

/** What happens to the scheduler. */
export type SchedulerEvent =
  /** `decided`: ranges that an earlier driver committed, and the first failed task among them. */
  | {
      readonly type: "job-added";
      readonly job: number;
      readonly plan: JobPlan;
      readonly decided?: { readonly ranges: RangePairs; readonly failedIndex: number | undefined };
    }
  /**
   * `count` more tasks are known and recorded; `done`: there are no more. `upstreamFailed`: indexes of those among
   * them that can't run because what they were to be given failed.
   */
  | {
      readonly type: "inputs-drawn";
      readonly job: number;
      readonly count: number;
      readonly sizeBytes: number;
      readonly done: boolean;
      readonly upstreamFailed?: readonly number[];
    }
  /** Nothing to draw for now, until `input-ready`. */
  | { readonly type: "input-pending"; readonly job: number }
  | { readonly type: "input-ready"; readonly job: number }
  /** Drawing the input threw. */
  | { readonly type: "input-failed"; readonly job: number }
  | { readonly type: "offer"; readonly slot: string; readonly queue: number }
  | { readonly type: "withdrawn"; readonly slot: string }
  | {
      readonly type: "proposed";
      readonly attempt: number;
      readonly first: number;
      readonly count: number;
      readonly busyMs: number;
      /** The tasks among them that failed, in order. */
      readonly thrown?: readonly ThrownTask[];
      readonly proposal: Proposal;
    }
  /** Outcomes that an attempt of an earlier driver wrote and nobody committed. */
  | {
      readonly type: "adopted";
      readonly job: number;
      readonly first: number;
      readonly count: number;
      /** The first among them that failed, if any. */
      readonly failedIndex?: number;
      readonly proposal: Proposal;
    }
  | {
      readonly type: "attempt-ended";
      readonly attempt: number;
      readonly end: AttemptEnd;
      readonly costUsd?: number;
    }
  /** `count` outcomes are recorded and may be shown. */
  | { readonly type: "committed"; readonly job: number; readonly count: number }
  /** Another driver leads the job now. */
  | { readonly type: "fenced"; readonly job: number }
  /** The journal can't be written. */
  | { readonly type: "broken"; readonly job: number }
  /** The user cancels the job. */
  | { readonly type: "cancel"; readonly job: number }
  /** The job is left to another driver: nothing of it goes on here, and no end is recorded. */
  | { readonly type: "released"; readonly job: number }
  /** The running task of an attempt waits for a nested job, and lends its slot. */
  | { readonly type: "waiting"; readonly attempt: number }
  | { readonly type: "resumed"; readonly attempt: number }
  | { readonly type: "tick" };

export type SchedulerEventType = SchedulerEvent["type"];

/** How a job ended. `broken`: its journal can't be written; `released`: left to another driver. */
export type JobEndKind = "done" | "failed" | "cancelled" | "fenced" | "broken" | "released";

/** What the driver must do, in this order. */
export type Command =
  | { readonly type: "draw"; readonly job: number; readonly maxTasks: number; readonly maxBytes: number }
  | {
      readonly type: "start";
      readonly job: number;
      readonly attempt: number;
      readonly slot: string;
      /** It runs on the worker of this attempt, whose task waits for it. */
      readonly host?: number;
      readonly first: number;
      readonly count: number;
      /** The tasks run elsewhere as well. */
      readonly backup: boolean;
      /** Of those that were tried before. */
      readonly tries?: TaskTries;
      /** More memory than the job's tasks get at first: one of these ran out of it. */
      readonly memoryMb?: number;
    }
  | { readonly type: "cancel"; readonly attempt: number; readonly how: "revoke" | "abort" }
  /** Record these parts of the proposal as the tasks' outcomes. */
  | {
      readonly type: "commit";
      readonly job: number;
      readonly ranges: RangePairs;
      readonly proposal: Proposal;
    }
  /** Record a failure that no worker could write. */
  | {
      readonly type: "fail";
      readonly job: number;
      readonly first: number;
      readonly count: number;
      readonly kind: TaskFailureKind;
      readonly evidence: string;
      /** How many attempts were charged. */
      readonly attempts: number;
    }
  /** Record that the function can't be loaded, as the outcome of this task. `error`: codec bytes. */
  | {
      readonly type: "fail-unloadable";
      readonly job: number;
      readonly index: number;
      readonly error: Uint8Array;
    }
  /** A task will run again; for whoever watches. */
  | {
      readonly type: "retry";
      readonly job: number;
      readonly index: number;
      readonly because: TaskFailureKind | "threw";
      readonly charged: number;
      readonly delayMs: number;
    }
  /** The budget is spent, and the job is let go by the `end` that follows. */
  | { readonly type: "overspent"; readonly job: number; readonly spentUsd: number }
  | { readonly type: "scale"; readonly slots: number }
  /** At most this many slots are used, because the backend throttles; Infinity: no limit any more. */
  | { readonly type: "limit"; readonly slots: number }
  | { readonly type: "wake"; readonly atMs: number }
  /** After everything that was to be recorded before it. */
  | {
      readonly type: "end";
      readonly job: number;
      readonly kind: JobEndKind;
      /** The failure that ended the job. */
      readonly failedIndex: number | undefined;
    };

export type CommandType = Command["type"];
