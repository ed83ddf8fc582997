import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Throttle } from "../../../src/storage/layers/throttle.ts";
import {
  initialThrottle,
  onSuccess,
  onThrottled,
  type ThrottleState,
} from "../../../src/storage/layers/throttle-control.ts";

const LIMITS = { maxInFlight: 64 };

describe("how much a server bears", () => {
  it("is half after a complaint, of what may be in flight and of the rate", () => {
    const state = onThrottled(initialThrottle(LIMITS, 0), 900, 1000, 1000);
    expect(state).toMatchObject({ limit: 32, ratePerS: 500, decreasedMs: 1000 });
  });

  it("isn't taken for almost nothing because little was asked of it", () => {
    const once = onThrottled(initialThrottle(LIMITS, 0), 900, 2, 1000);
    expect(once.ratePerS).toBe(20);
    expect(onThrottled(once, 1900, 2, 2000).ratePerS).toBe(10);
  });

  it("is lowered once by all requests that were on their way together, and once a second", () => {
    let state = onThrottled(initialThrottle(LIMITS, 0), 900, 1000, 1000);
    for (let i = 0; i < 30; i += 1) state = onThrottled(state, 900 + i, 1000, 1010 + i);
    expect(state.limit).toBe(32);
    expect(onThrottled(state, 1100, 1000, 1200).limit).toBe(32);
    expect(onThrottled(state, 2100, 1000, 2200).limit).toBe(16);
  });

  it("grows by one for each round of requests, and the rate with time, to all that was", () => {
    let state = onThrottled(initialThrottle(LIMITS, 0), 0, 1000, 1000);
    for (let i = 0; i < 33; i += 1) state = onSuccess(state, LIMITS, 1000);
    expect(state.limit).toBeGreaterThan(32.9);
    expect(onSuccess(state, LIMITS, 2000).ratePerS).toBe(600);
    for (let s = 2; s < 40; s += 1) {
      for (let i = 0; i < 64; i += 1) state = onSuccess(state, LIMITS, s * 1000);
    }
    expect(state).toMatchObject({ limit: 64, ratePerS: Number.POSITIVE_INFINITY });
  });

  it("stays between one request and the most that are allowed, whatever comes", () => {
    const event = fc.record({ throttled: fc.boolean(), afterMs: fc.nat(5000), perS: fc.nat(5000) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        let state: ThrottleState = initialThrottle(LIMITS, 0);
        let nowMs = 0;
        for (const { throttled, afterMs, perS } of events) {
          nowMs += afterMs;
          state = throttled ? onThrottled(state, nowMs, perS, nowMs) : onSuccess(state, LIMITS, nowMs);
          expect(state.limit).toBeGreaterThanOrEqual(1);
          expect(state.limit).toBeLessThanOrEqual(64);
          expect(state.ratePerS).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });
});

/** Time that stands still until a test moves it. */
function fakeClock() {
  let nowMs = 0;
  let timers: { atMs: number; callback: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    after(delayMs: number, callback: () => void) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    /** Up to `untilMs`, timer by timer. */
    async run(untilMs: number) {
      for (;;) {
        await settle();
        const next = timers.sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        timers.shift();
        nowMs = Math.max(nowMs, next.atMs);
        next.callback();
      }
      nowMs = untilMs;
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a throttle", () => {
  const answered = () => "answered" as const;

  it("lets so many requests go at a time, the others in their order", async () => {
    const throttle = new Throttle({ maxInFlight: 2, clock: fakeClock() });
    const ends: (() => void)[] = [];
    const started: number[] = [];
    const runs = [0, 1, 2, 3, 4].map((i) =>
      throttle.run(() => {
        started.push(i);
        return new Promise<void>((resolve) => ends.push(resolve));
      }, answered),
    );
    for (const expected of [2, 3, 4, 5, 5]) {
      await settle();
      expect(started).toHaveLength(expected);
      expect(throttle.inFlight).toBeLessThanOrEqual(2);
      ends.shift()!();
    }
    await Promise.all(runs);
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect(throttle.inFlight).toBe(0);
  });

  it("gives the place back of what failed, and of what was given up while it waited", async () => {
    const throttle = new Throttle({ maxInFlight: 1, clock: fakeClock() });
    await expect(throttle.run(() => Promise.reject(new Error("lost")), answered)).rejects.toThrow("lost");
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = throttle.run(() => promise, answered);
    const enough = new AbortController();
    const second = throttle.run(async () => {}, answered, enough.signal);
    const third = throttle.run(async () => "third", answered);
    enough.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    resolve();
    await first;
    expect(await third).toBe("third");
  });

  it("slows down to what a server bears, and does all requests", async () => {
    const clock = fakeClock();
    const throttle = new Throttle({ maxInFlight: 64, clock });
    // A server that takes 100 requests a second, and says so to the rest.
    let windowMs = 0;
    let taken = 0;
    let complaints = 0;
    const request = async (): Promise<number> => {
      if (clock.nowMs() - windowMs >= 1000) [windowMs, taken] = [clock.nowMs(), 0];
      await new Promise<void>((resolve) => clock.after(10, resolve));
      taken += 1;
      return taken > 100 ? 503 : 200;
    };
    let done = 0;
    const untilDone = async (): Promise<void> => {
      const status = await throttle.run(request, (code) => (code === 503 ? "throttled" : "answered"));
      if (status === 200) done += 1;
      else {
        complaints += 1;
        await untilDone();
      }
    };
    const all = Promise.all(Array.from({ length: 2000 }, untilDone));
    await clock.run(60_000);
    expect(done).toBe(2000);
    await all;
    // Unbridled it would be 6,300 a second.
    expect(complaints).toBeLessThan(1000);
  });
});

/** Time goes on with every look at it, and timers come a little early, as the system's do. */
class MovingClock {
  readonly #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  #nowMs = 1000;
  readonly earlyMs: number;

  constructor(earlyMs: number) {
    this.earlyMs = earlyMs;
  }

  nowMs(): number {
    this.#nowMs += 0.3;
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.#timers.push({ atMs: this.#nowMs + delayMs - this.earlyMs, callback });
    return () => {};
  }

  /** False if there is no timer. */
  fireNext(): boolean {
    const timer = this.#timers.shift();
    if (!timer) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    return true;
  }
}

describe("a request that waits for its turn after a complaint", () => {
  it.each(Array.from({ length: 30 }, (_, i) => i / 20))("gets it, %f ms early or not", async (earlyMs) => {
    const clock = new MovingClock(earlyMs);
    const throttle = new Throttle({ maxInFlight: 4, clock });
    await throttle.run(
      async () => 503,
      () => "throttled",
    );
    let begun = false;
    const answered = throttle.run(
      async () => {
        begun = true;
      },
      () => "answered",
    );
    for (let turn = 0; turn < 100 && !begun; turn++) {
      clock.fireNext();
      await Promise.resolve();
    }
    expect(begun).toBe(true);
    await answered;
  });
});
