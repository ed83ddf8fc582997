import type { OutcomeLocation } from "../../job/contract.ts";
import type { AttemptEnd, ConsoleLine } from "../contract.ts";

/**
 * What a supervisor, which runs an attempt on another machine, tells its driver as it happens: frames as between driver
 * and local worker (local/protocol.ts), all of one attempt. STARTED comes first, ENDED last. Those of its guests, which
 * run beside it while it waits (Invocation.host), come in between, in frames of their own.
 */
export const FRAME_STARTED = 64;
export const FRAME_ALIVE = 65;
export const FRAME_OUTCOMES = 66;
export const FRAME_CONSOLE = 67;
export const FRAME_REQUEST = 68;
export const FRAME_ENDED = 69;
/** A frame of a guest's is its body; on the way down, in the store: an invocation, its inputs the body. */
export const FRAME_GUEST = 70;

/** Raised whenever drivers and supervisors wouldn't understand each other any more. */
export const RELAY_PROTOCOL = 2;

/** A driver hears of a supervisor at least this often. */
export const ALIVE_EVERY_MS = 10_000;

export interface StartedHead {
  readonly protocol: number;
  /** Version of the supervisor's Kinglet. */
  readonly kinglet: string;
  /** Of the worker: it may serve many attempts. */
  readonly worker: string;
  readonly memoryMb: number;
  /** How long the worker took to start, where it was started for this attempt. */
  readonly startMs?: number;
}

/** `index`: the task that is running. */
export interface AliveHead {
  readonly index?: number;
}

/** Body: the packed run; empty where it is big, and to be read from the store. */
export interface OutcomesHead {
  readonly location: OutcomeLocation | undefined;
  readonly first: number;
  readonly count: number;
  readonly busyMs: number;
}

/** Body: the line. */
export type ConsoleHead = Pick<ConsoleLine, "index" | "stream" | "atMs">;

/** Body: the request. */
export interface RequestHead {
  readonly requestId: number;
}

/** Body: the encoded error where `end` is `unloadable`. */
export interface EndedHead {
  readonly end: Exclude<AttemptEnd, { kind: "unloadable" }> | { readonly kind: "unloadable" };
  readonly billedMs: number;
}

export interface GuestHead {
  readonly attempt: number;
}

/** Longer runs are not repeated on the way to the driver. */
export const REPEATED_RUN_BYTES = 1024 * 1024;
