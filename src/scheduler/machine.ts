import type { Random } from "../clock.ts";
import { FewMap } from "../few-map.ts";
import type { Command } from "./commands.ts";
import type { Fifo } from "./fifo.ts";
import type { AttemptState, JobState, SlotState } from "./model.ts";
import type { Policy } from "./policy.ts";
import { Slots } from "./slots.ts";

/**
 * The scheduler as a pure state machine (design §5): events in, commands out; no I/O, clock or promise. It changes
 * its state in place. The same machine runs real jobs, the simulation, and the prediction of a job's time.
 */
export interface SchedulerState {
  readonly policy: Policy;
  readonly maxSlots: number;
  /** Workers whose task waits can run something else meanwhile (ComputeBackend.takesGuests). */
  readonly takesGuests: boolean;
  /** Jitter only. */
  readonly random: Random;
  readonly jobs: FewMap<number, JobState>;
  /** Attempts that haven't ended, those of ended jobs included. */
  readonly attempts: FewMap<number, AttemptState>;
  readonly slots: Slots;
  /** Jobs with work, by depth, each level in turn. */
  readonly ready: Fifo<JobState>[];
  /** Ranges that wait for their retry, soonest first. */
  readonly delayed: DelayedRange[];
  nextAttempt: number;
  /** Attempts whose task waits for a nested job. */
  readonly waiting: Set<AttemptState>;
  /** By depth of their jobs: how many of them lend a slot. Guests have none. */
  readonly lenders: number[];
  /** Sum of the jobs' `wantedSlots`. */
  wantedSlots: number;
  /** What the backend was told, without the lent slots. */
  scaledTo: number;
  lent: number;
  /** Slots in use at most; Infinity unless the backend throttles. */
  limit: number;
  throttledMs: number;
  /** When the driver is to send a tick; Infinity if it isn't. */
  wakeMs: number;
  nowMs: number;
  /** The slot that the event concerned: quick work may follow there. */
  touched: SlotState | undefined;
  /** Commands of this step. */
  out: Command[];
}

export interface DelayedRange {
  readonly atMs: number;
  readonly job: JobState;
  readonly first: number;
  readonly end: number;
  readonly alone: boolean;
}

export function createState(options: {
  readonly policy: Policy;
  readonly maxSlots: number;
  readonly takesGuests?: boolean;
  readonly random: Random;
}): SchedulerState {
  return {
    takesGuests: false,
    ...options,
    jobs: new FewMap(),
    attempts: new FewMap(),
    slots: new Slots(),
    ready: [],
    delayed: [],
    nextAttempt: 1,
    waiting: new Set(),
    lenders: [],
    wantedSlots: 0,
    scaledTo: 0,
    lent: 0,
    limit: Number.POSITIVE_INFINITY,
    throttledMs: Number.NEGATIVE_INFINITY,
    wakeMs: Number.POSITIVE_INFINITY,
    nowMs: 0,
    touched: undefined,
    out: [],
  };
}
