import type { Entry, Run } from "../job/entries.ts";
import type { FrameLocation, Journal } from "../job/journal.ts";
import type { JobRef } from "../job/keys.ts";
import type { JournalRecord } from "../job/records.ts";
import type { JobCost } from "../job.ts";
import type { MaybePromise } from "../storage/contract.ts";
import type { JobEndKind } from "./commands.ts";
import type { JobEvent } from "./events.ts";
import type { RangePairs } from "./range-set.ts";

/** Runs jobs on one compute backend. */
export interface Scheduler {
  /** Starts a job at once: its first inputs are drawn before this returns. */
  submit(spec: JobSpec): RunningJob;
  readonly stats: SchedulerStats;
  /**
   * Lets go of every job that hasn't ended (they end `released`, and can be resumed), and waits for what is being
   * written. The backend and the journals stay open: close them afterwards.
   */
  close(): Promise<void>;
}

export interface SchedulerStats {
  readonly slots: number;
  readonly idleSlots: number;
  readonly jobs: number;
  /** Attempts that were started and haven't ended. */
  readonly attempts: number;
  /** Slots in use at most, as the backend throttles; Infinity if it doesn't. */
  readonly limit: number;
}

/** How a job's tasks are to be run; all optional. */
export interface TaskOptions {
  /** Limit for each task. A task that passes it fails; it isn't tried again. */
  readonly timeoutMs?: number;
  /** How often a task runs again after its worker failed under it. Default 3. */
  readonly retries?: number;
  /** Starts nothing that would make the job cost more. */
  readonly budgetUsd?: number;
  /** False: no backups, and a task that has started never starts again. Default true. */
  readonly idempotent?: boolean;
  /** A new process for each task. Default false. */
  readonly isolate?: boolean;
  readonly memoryMb?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Slots used at a time, at most. */
  readonly concurrency?: number;
  /** Tasks a batch; by default from their measured time. */
  readonly batch?: number;
  /** How many maps the job is nested in; deeper jobs go first. Default 0. */
  readonly depth?: number;
  /** The attempt whose running task asked for the job. */
  readonly parent?: number;
  /** `durability: "fsync"`. */
  readonly sync?: boolean;
  /**
   * Runs of outcomes up to this length are written by the driver rather than by the worker that reports them: one
   * write instead of two. Default 0. Not with `idempotent: false`: what such a task came to must outlive the driver.
   */
  readonly inlineOutcomeBytes?: number;
}

export interface JobSpec {
  readonly ref: JobRef;
  readonly journal: Journal;
  readonly functionKey: string;
  /** Code package of its invocations (`Invocation.code`), until inputs bring another one. */
  readonly code?: string | undefined;
  readonly options: TaskOptions;
  /** The first failed outcome, in time, ends the job (`map`); otherwise it goes on to its last task. */
  readonly stopOnFailure: boolean;
  /** How long a write to the job's store takes, as far as that is known; default 0: next to nothing. */
  readonly storeMs?: number;
  readonly input: JobInput;
  /** Written along with the first inputs, as one append (the job's own record). */
  readonly opening?: readonly JournalRecord[];
  /** Tasks that an earlier driver committed (scheduler/resume.ts). */
  readonly settled?: SettledTasks;
  /** Outcomes that attempts of an earlier driver wrote, and that nobody committed: committed now, not run again. */
  readonly adopted?: readonly AdoptedOutcomes[];
  /**
   * Whether a task that threw runs again. `tries`: how often it has thrown, this time included. Without it, or with
   * `idempotent: false`, none does.
   */
  shouldRetry?(entry: Entry, index: number, tries: number): MaybePromise<boolean>;
  /**
   * Outcomes of `count` tasks from `first` on are recorded, and may be shown: called after the commit and after
   * leadership was confirmed, synchronously where the store is. `run` holds them, and may hold more. It lies in the
   * frame's payload at `location` after `skipBytes` bytes (1 in the driver's log, 0 in a worker's).
   */
  onOutcomes(run: Run, first: number, count: number, location: FrameLocation, skipBytes: 0 | 1): void;
  onEvent?(event: JobEvent): void;
  /** Whether anyone looks on just now; otherwise only `console` and `attempt-ended` are told. Default true. */
  isWatched?(): boolean;
  /** A running task asks for something (nested maps). Without it, a task that asks is stopped. */
  onRequest?(request: NestedRequest): void;
  /** Called once, after everything else. */
  onEnded(end: JobEnd): void;
}

export interface StoredOutcomes {
  readonly run: Run;
  /** Where a worker wrote the run; undefined: nowhere, the driver writes it into its own log. */
  readonly location: FrameLocation | undefined;
}

/** Tasks that have their outcome: pairs `[first, end, first, end, …]`, and the first failed one in time, if any. */
export interface SettledTasks {
  readonly ranges: RangePairs;
  readonly failedIndex: number | undefined;
}

/** Those of tasks `first`… among them. */
export interface AdoptedOutcomes extends StoredOutcomes {
  readonly first: number;
  readonly count: number;
}

export interface JobEnd {
  /**
   * `done`: every task has an outcome. `failed`: by the outcome of `failedIndex`, or by `error` of the input.
   * `cancelled`. `fenced`: another driver leads the job. `broken`: the journal can't be written (`error`).
   * `released`: the scheduler was closed, or the job let go; it can be resumed.
   */
  readonly state: JobEndKind;
  readonly failedIndex?: number;
  readonly error?: unknown;
  /** Why it was cancelled. */
  readonly reason?: string;
}

export interface DrawnInputs {
  /**
   * The inputs as a packed run whose first index follows the last one's (job/entries.ts). May be missing where they
   * are recorded and every task has its outcome.
   */
  readonly run?: Uint8Array;
  readonly count: number;
  /** There are no more after these. */
  readonly done: boolean;
  /**
   * With `done`: there were more, but they are lost. Once all that was drawn has its outcome, the job fails with this
   * error.
   */
  readonly missing?: unknown;
  /** Where the run is recorded already (a resumed job): it isn't recorded again. */
  readonly recorded?: FrameLocation;
  /** A run of outcomes for exactly these tasks: they are known already, and committed rather than computed. */
  readonly known?: Uint8Array;
  /** From these inputs on the tasks need this code package, which has all that the ones before had. */
  readonly code?: string;
}

export interface JobInput {
  /** Number of tasks, if it is known: the input is drawn eagerly then, otherwise in a window ahead of the commits. */
  readonly knownLength?: number | undefined;
  /**
   * About `maxTasks` more inputs, and `maxBytes`. Count 0 without `done`: nothing yet; `RunningJob.inputReady()` says
   * when there is. ENTRY_FAILED entries are upstream failures: that is their tasks' outcome, and they don't run.
   * What it throws is the error with which the job fails. Called one at a time.
   */
  draw(maxTasks: number, maxBytes: number): MaybePromise<DrawnInputs>;
  /** The job has ended: nothing is drawn any more. Also called after the last input. */
  close?(): void;
}

export interface RunningJob {
  readonly ref: JobRef;
  readonly counts: JobCounts;
  /** What its attempts cost so far. */
  readonly cost: JobCost;
  /** Starts nothing more, stops what runs; tasks without an outcome are cancelled. Nothing happens if it has ended. */
  cancel(reason: string): void;
  /** Lets go of the job without recording an end: another driver may resume it. */
  release(): void;
  /** The input has more, after a `draw` that gave nothing. */
  inputReady(): void;
  /**
   * Begins a new generation of the job's journal (job/generations.ts), which must be its own.
   * @returns how many tasks the generation before has recorded inputs of; undefined where the job has ended, or the
   *   journal can't be written any more
   */
  rollJournal(): Promise<number | undefined>;
}

export interface JobCounts {
  /** Tasks known so far. */
  readonly drawn: number;
  /** Tasks in all, once the input was drawn to its end or if its length is known. */
  readonly total: number | undefined;
  /** Tasks given to workers, counted again each time. */
  readonly started: number;
  /** Tasks with a recorded outcome, those of earlier drivers included. */
  readonly committed: number;
  /** Those among them whose outcome is a failure, as far as this driver recorded it. */
  readonly failed: number;
  /** How often a task was tried again. */
  readonly retried: number;
  /** Attempts that were started and haven't ended. */
  readonly running: number;
}

/** A request of a running task. */
export interface NestedRequest {
  readonly attempt: number;
  readonly payload: Uint8Array;
  reply(payload: Uint8Array): void;
  /** The task waits for a nested job: its slot is lent until `resumed`. */
  waiting(): void;
  resumed(): void;
}
