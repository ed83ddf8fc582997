import type { AttemptEnd, Invocation } from "../contract.ts";
import type { ExitVerdict } from "./exit.ts";
import { PHASE_IDLE, type WorkerState } from "./marker.ts";
import type { TaskTimer } from "./task-timer.ts";

/** Why a running attempt is being stopped; becomes its end, unless it ends well before. */
export interface Stop {
  readonly kind: "cancelled" | "timed-out";
  readonly evidence: string;
}

/** An attempt that has not ended yet. */
export class Flight {
  readonly invocation: Invocation;
  /** Number among the invocations that its worker process was sent; 0 before that. */
  sequence = 0;
  /** How often it was sent to a worker that died before it began. */
  falseStarts = 0;
  stop: Stop | undefined;
  graceTimer: NodeJS.Timeout | undefined;
  taskTimer: TaskTimer | undefined;

  constructor(invocation: Invocation) {
    this.invocation = invocation;
  }

  clearTimers(): void {
    clearTimeout(this.graceTimer);
    this.taskTimer?.cancel();
  }
}

/** What a worker is doing for an attempt. */
export interface RunningTask {
  readonly index: number;
  /** See worker/monotonic.ts. */
  readonly startedMs: number;
}

/** Undefined between tasks, and where the worker hasn't begun with the attempt or is past it. */
export function runningTask({ sequence }: Flight, state: WorkerState): RunningTask | undefined {
  if (sequence === 0 || state.sequence !== sequence || state.phase === PHASE_IDLE) return undefined;
  return { index: state.index, startedMs: state.startedMs };
}

export function remove(flights: Flight[], flight: Flight): void {
  const at = flights.indexOf(flight);
  if (at >= 0) flights.splice(at, 1);
}

/** The end of an attempt that its worker had begun when it died. */
export function endOfCrashed(
  flight: Flight,
  flights: readonly Flight[],
  state: WorkerState,
  verdict: ExitVerdict,
): AttemptEnd {
  // A worker says that it is done with one before it begins the next: this one's word was lost.
  if (flight.sequence < state.sequence) return { ...verdict, startedTask: flight.invocation.first };
  const startedTask = state.phase === PHASE_IDLE ? undefined : state.index;
  if (flight.stop) return { ...flight.stop, startedTask };
  if (flights.some((other) => other.stop)) {
    return { kind: "lost", startedTask, evidence: "its worker was stopped on account of another attempt" };
  }
  return { ...verdict, startedTask };
}
