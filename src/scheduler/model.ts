import type { JobPlan } from "./commands.ts";
import type { Durations } from "./durations.ts";
import type { RangeSet } from "./range-set.ts";

/** A place that runs one attempt at a time and holds `queue` more behind it; below 0 it takes nothing more. */
export interface SlotState {
  readonly name: string;
  queue: number;
  /** The first one runs. */
  readonly attempts: AttemptState[];
  /** Position among the idle slots, or −1. */
  idleAt: number;
}

/** One try of consecutive tasks on a slot. */
export interface AttemptState {
  readonly id: number;
  readonly job: JobState;
  readonly slot: SlotState;
  readonly first: number;
  readonly end: number;
  /** First task without a report. */
  cursor: number;
  /** Tasks from here on are given to others as well: they don't depend on this attempt any more. */
  ownEnd: number;
  readonly startedMs: number;
  /** When it became the running one of its slot, or reported last. */
  progressMs: number;
  phase: "queued" | "running" | "waiting";
  /** Jobs that its task asked for. */
  nested: JobState[] | undefined;
  /** It runs on the worker of this one, which waits for its job; its slot is none of the backend's then. */
  readonly host: AttemptState | undefined;
  /** Runs on its worker while it waits. */
  guest: AttemptState | undefined;
  /** Its worker has turned a guest away: the task goes on, or is over, and its word is on its way. */
  isClosed: boolean;
  cancelling: "revoke" | "abort" | undefined;
  hasBackup: boolean;
}

export interface PendingRange {
  first: number;
  readonly end: number;
  /** A suspect: runs in a batch of its own, so that its mates don't fall with it. */
  readonly alone: boolean;
}

export interface Charges {
  infrastructure: number;
  thrown: number;
  /** Those among `infrastructure` that ran out of memory. */
  outOfMemory: number;
}

export interface JobState {
  readonly id: number;
  readonly plan: JobPlan;
  ended: boolean;
  /** Tasks known so far; their indexes are 0…drawn − 1. */
  drawn: number;
  drawnBytes: number;
  inputDone: boolean;
  input: "idle" | "drawing" | "pending";
  /** Tasks whose outcome is settled: committed, or about to be. */
  readonly decided: RangeSet;
  committed: number;
  /** Tasks from here on were never handed out. */
  fresh: number;
  /** Ranges to be handed out again, before fresh ones. */
  readonly requeued: PendingRange[];
  /** Tasks that no attempt holds, but for those that wait for their retry. */
  backlog: number;
  /** Slots that the job could use; part of the scheduler's sum. */
  wantedSlots: number;
  charges: Map<number, Charges> | undefined;
  readonly attempts: Set<AttemptState>;
  /** Attempts whose tasks may run elsewhere at the same time. */
  overlapping: Set<AttemptState> | undefined;
  /** Slots that hold an attempt of the job. */
  slots: number;
  readonly durations: Durations;
  /** Attempts in a row that ended before any task started. */
  barren: number;
  /** What its attempts cost that have ended; those that brought outcomes: what, and how many. */
  spentUsd: number;
  measuredUsd: number;
  measuredTasks: number;
  /** Another attempt would pass the budget: nothing starts before one has ended. */
  isOverspent: boolean;
  /** Throttles in a row, those of attempts that started before the last one counted as one with it. */
  throttled: number;
  throttledMs: number;
  /** In the queue of jobs with work. */
  queued: boolean;
}
