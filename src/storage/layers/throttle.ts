import { awakeClock, type Clock } from "../../clock.ts";
import { initialThrottle, onSuccess, onThrottled, type ThrottleState } from "./throttle-control.ts";

export interface ThrottleOptions {
  /** Requests in flight at most. Default 64. */
  readonly maxInFlight?: number;
  readonly clock?: Clock;
}

/** What became of a request: its answer, a complaint of too many, or neither. */
export type ThrottleVerdict = "answered" | "throttled" | "failed";

/**
 * A gate that all requests to one server pass. It bounds those in flight, and adapts to what the server bears: half as
 * many after a complaint (503 SlowDown, 429), slowly more afterwards.
 *
 * @example
 * const throttle = new Throttle({ maxInFlight: 64 });
 * const response = await throttle.run(() => send(request), (r) => (r.status === 503 ? "throttled" : "answered"));
 */
export class Throttle {
  readonly #limits: { readonly maxInFlight: number };
  readonly #clock: Clock;
  /** In the order of their coming. */
  readonly #waiting = new Set<() => void>();
  #state: ThrottleState;
  #inFlight = 0;
  #timerSet = false;
  /** When the rate lets the next request start. */
  #nextStartMs = 0;
  #window = { startMs: 0, starts: 0, lastPerS: 0 };

  constructor(options: ThrottleOptions = {}) {
    this.#limits = { maxInFlight: options.maxInFlight ?? 64 };
    this.#clock = options.clock ?? awakeClock;
    this.#state = initialThrottle(this.#limits, this.#clock.nowMs());
  }

  /** For reports and tests. */
  get state(): ThrottleState {
    return this.#state;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends a request as soon as it may start. A signal ends the wait for that; the request itself obeys its own. */
  async run<T>(
    request: () => Promise<T>,
    verdictOf: (answer: T) => ThrottleVerdict,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#waiting.size === 0 && this.#mayStart(this.#clock.nowMs())) this.#start();
    else await this.#wait(signal);
    const startedMs = this.#clock.nowMs();
    let verdict: ThrottleVerdict = "failed";
    try {
      const answer = await request();
      verdict = verdictOf(answer);
      return answer;
    } finally {
      this.#inFlight -= 1;
      this.#learn(verdict, startedMs);
      this.#startWaiting();
    }
  }

  #learn(verdict: ThrottleVerdict, startedMs: number): void {
    const nowMs = this.#clock.nowMs();
    if (verdict === "answered") this.#state = onSuccess(this.#state, this.#limits, nowMs);
    if (verdict !== "throttled") return;
    this.#state = onThrottled(this.#state, startedMs, this.#achievedPerS(nowMs), nowMs);
    this.#nextStartMs = Math.max(this.#nextStartMs, nowMs + 1000 / this.#state.ratePerS);
  }

  #mayStart(nowMs: number): boolean {
    return this.#inFlight < Math.floor(this.#state.limit) && nowMs >= this.#nextStartMs;
  }

  #start(): void {
    const nowMs = this.#clock.nowMs();
    this.#inFlight += 1;
    const { startMs, starts } = this.#window;
    if (nowMs - startMs < 1000) this.#window.starts += 1;
    else this.#window = { startMs: nowMs, starts: 1, lastPerS: (starts * 1000) / (nowMs - startMs) };
    if (this.#state.ratePerS !== Number.POSITIVE_INFINITY) {
      this.#nextStartMs = Math.max(nowMs, this.#nextStartMs) + 1000 / this.#state.ratePerS;
    }
  }

  #achievedPerS(nowMs: number): number {
    const { startMs, starts, lastPerS } = this.#window;
    // The start of a window says little: a few requests in a millisecond are no rate.
    return Math.max(lastPerS, (starts * 1000) / Math.max(nowMs - startMs, 250));
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    return new Promise<void>((resolve, reject) => {
      const begin = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.delete(begin);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(begin);
      this.#startWaiting();
    });
  }

  /** Lets those start who may, in their order; the others when the rate allows or a request ends. */
  #startWaiting(): void {
    // One look at the clock: between two, the time to start could pass, and nobody would be woken.
    const nowMs = this.#clock.nowMs();
    for (const begin of this.#waiting) {
      if (!this.#mayStart(nowMs)) break;
      this.#waiting.delete(begin);
      this.#start();
      begin();
    }
    const delayMs = this.#nextStartMs - nowMs;
    if (this.#waiting.size === 0 || delayMs <= 0 || this.#timerSet) return;
    this.#timerSet = true;
    this.#clock.after(delayMs, () => {
      this.#timerSet = false;
      this.#startWaiting();
    });
  }
}
