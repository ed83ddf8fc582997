import { getEventListeners } from "node:events";
import { TaskError } from "../errors.ts";

/** What the driver wants of a running batch; handed from the worker's entry to `runBatch`. */
export class BatchControl {
  readonly #jobId: string;
  #index = 0;
  #controller: AbortController | undefined;
  #stop: StopOrder | undefined;

  constructor(jobId: string) {
    this.#jobId = jobId;
  }

  /** Set once the batch is to end. */
  get stop(): StopOrder | undefined {
    return this.#stop;
  }

  /** Whether something waits for the running task's signal. */
  get isListenedTo(): boolean {
    return this.#controller !== undefined && getEventListeners(this.#controller.signal, "abort").length > 0;
  }

  /** Ends the batch; the running task is told through its signal. Later orders change nothing. */
  abort(order: StopOrder): void {
    if (this.#stop) return;
    this.#stop = order;
    this.#controller?.abort(this.#reason(order));
  }

  /** Each task has a signal of its own, made at its first use. */
  taskStarts(index: number): void {
    this.#index = index;
    this.#controller = undefined;
  }

  signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#stop) this.#controller.abort(this.#reason(this.#stop));
    }
    return this.#controller.signal;
  }

  #reason(order: StopOrder): TaskError {
    const how = order === "timed-out" ? "has used up its time" : "was cancelled";
    return new TaskError(
      order === "timed-out" ? "TIMED_OUT" : "CANCELLED",
      `task ${this.#index} of job ${this.#jobId} ${how}`,
      {
        details: { index: this.#index, jobId: this.#jobId },
      },
    );
  }
}

export type StopOrder = "cancelled" | "timed-out";
