import { monotonicMs } from "../../worker/monotonic.ts";
import { type Marker, PHASE_IDLE, PHASE_LOADING } from "./marker.ts";

/** Loading a function's imports is no task's time, but isn't unlimited either. */
const LOAD_LIMIT_MS = 30_000;

/**
 * Watches that no task of an invocation runs longer than `timeoutMs`. Asks the marker who has started when, so that
 * nothing is said per task; the worker itself judges tasks that end late.
 */
export class TaskTimer {
  readonly #marker: Marker;
  readonly #sequence: number;
  readonly #timeoutMs: number;
  readonly #onLate: (index: number, evidence: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    marker: Marker,
    sequence: number,
    timeoutMs: number,
    onLate: (index: number, evidence: string) => void,
  ) {
    this.#marker = marker;
    this.#sequence = sequence;
    this.#timeoutMs = timeoutMs;
    this.#onLate = onLate;
    this.#arm(timeoutMs);
  }

  /** Goes on after `onLate`, where the task has ended after all. */
  resume(): void {
    this.#look();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(
      () => this.#look(),
      Math.min(Math.max(1, Math.ceil(delayMs)), 2 ** 31 - 1),
    ).unref();
  }

  #look(): void {
    const { sequence, phase, index, startedMs } = this.#marker.read();
    if (sequence !== this.#sequence || phase === PHASE_IDLE) {
      // Whatever starts from now on has its whole time before it.
      this.#arm(this.#timeoutMs);
      return;
    }
    const isLoading = phase === PHASE_LOADING;
    const limitMs = isLoading ? Math.max(this.#timeoutMs, LOAD_LIMIT_MS) : this.#timeoutMs;
    const elapsedMs = monotonicMs() - startedMs;
    // A task may begin as soon as its function is loaded: never look away for longer than its own time.
    if (elapsedMs < limitMs) this.#arm(Math.min(limitMs - elapsedMs, this.#timeoutMs));
    else if (isLoading) this.#onLate(index, `its function was not loaded within ${limitMs} ms`);
    else this.#onLate(index, `no outcome within ${limitMs} ms`);
  }
}
