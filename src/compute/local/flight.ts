import type { Invocation } from "../contract.ts";
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
