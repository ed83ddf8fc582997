/** Time and randomness, injected so that the simulation can own them. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  nowMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels it. `systemClock` never keeps the process alive alone. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** As systemClock, but what waits keeps the process alive: for waits in the middle of something that is awaited. */
export const awakeClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** A source of randomness: numbers in [0, 1). */
export type Random = () => number;

/**
 * A small seeded generator for tests, simulation and fault injection: the same seed gives the same numbers.
 * Source: mulberry32, Tommy Ettinger, public domain.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
