import { monotonicMs } from "../../worker/monotonic.ts";

/** As long as what it waits for usually comes within this time, a worker may watch for it rather than sleep. */
const WATCH_MS = 0.15;
/** Every so many waits the other way is tried. */
const TRY_OTHER_EVERY = 64;
/** How much the last wait counts against all before it. */
const WEIGHT = 1 / 8;

/**
 * Decides how to wait for the next frame. Whoever sleeps must be woken, which costs both sides some 25 µs where they
 * run on different cores; who watches instead holds up the other side where they share a core. So each way
 * is timed, and the one that was quicker of late is taken; none watches where nothing comes soon.
 */
export class Watch {
  readonly #isThere: () => boolean;
  readonly #nowMs: () => number;
  #soon = false;
  #waits = 0;
  #watchedMs = 0;
  #sleptMs = 0;

  constructor(isThere: () => boolean, nowMs: () => number = monotonicMs) {
    this.#isThere = isThere;
    this.#nowMs = nowMs;
  }

  /** Waits by `sleep`, having watched before if that is the quicker way. */
  wait<T>(sleep: () => T): T {
    const sinceMs = this.#nowMs();
    this.#waits += 1;
    const tryOther = this.#waits % TRY_OTHER_EVERY === 0;
    const watches = this.#soon && this.#watchedMs <= this.#sleptMs !== tryOther;
    if (watches) while (!this.#isThere() && this.#nowMs() - sinceMs < WATCH_MS);
    const result = sleep();
    const tookMs = this.#nowMs() - sinceMs;
    this.#soon = tookMs < WATCH_MS;
    // One long wait says nothing of the way of waiting.
    const countedMs = Math.min(tookMs, 2 * WATCH_MS);
    if (watches) this.#watchedMs += (countedMs - this.#watchedMs) * WEIGHT;
    else this.#sleptMs += (countedMs - this.#sleptMs) * WEIGHT;
    return result;
  }
}
