/**
 * Additive increase, multiplicative decrease: how many requests may be in flight, and how many a second may start.
 * Pure: the time comes in, a new state goes out.
 *
 * Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989.
 */
export interface ThrottleState {
  /** Requests in flight at most; grows by fractions. */
  readonly limit: number;
  /** Requests that may start in a second; infinite until the server first asked for fewer. */
  readonly ratePerS: number;
  /** Part of the rate that comes back in each second without a complaint. */
  readonly recoveryPerS: number;
  /** When the state last changed for the worse: what started before doesn't count against it again. */
  readonly decreasedMs: number;
  readonly nowMs: number;
}

export interface ThrottleLimits {
  readonly maxInFlight: number;
}

/** After a complaint, the former rate is back in so many seconds. */
const RECOVERY_S = 10;
/** Of the recovery: from next to nothing, the way back isn't endless. */
const MIN_RECOVERY_PER_S = 10;
const MIN_RATE_PER_S = 1;
/** Who sends fewer than this is not what overloads a server: one complaint doesn't make it slower than half of it. */
const FEW_PER_S = 40;
/** Servers count by seconds: what they refuse in the rest of one says nothing new. */
const DECREASE_INTERVAL_MS = 1000;

export function initialThrottle({ maxInFlight }: ThrottleLimits, nowMs: number): ThrottleState {
  return {
    limit: maxInFlight,
    ratePerS: Number.POSITIVE_INFINITY,
    recoveryPerS: 0,
    decreasedMs: Number.NEGATIVE_INFINITY,
    nowMs,
  };
}

/** A request succeeded: one more in flight for each `limit` of them; the rate grows with time. */
export function onSuccess(
  state: ThrottleState,
  { maxInFlight }: ThrottleLimits,
  nowMs: number,
): ThrottleState {
  const limit = Math.min(maxInFlight, state.limit + 1 / state.limit);
  const elapsedS = Math.max(0, nowMs - state.nowMs) / 1000;
  const grown = state.ratePerS + state.recoveryPerS * elapsedS;
  // Twice what the server once refused, with all in flight: nothing is left of the complaint.
  const recovered = limit === maxInFlight && grown > 2 * RECOVERY_S * state.recoveryPerS;
  return { ...state, limit, ratePerS: recovered ? Number.POSITIVE_INFINITY : grown, nowMs };
}

/**
 * The server asked for fewer: half of both, once for all requests that were on their way, and once a second.
 * @param startedMs when the request that it refused started
 * @param achievedPerS requests a second that had been starting
 */
export function onThrottled(
  state: ThrottleState,
  startedMs: number,
  achievedPerS: number,
  nowMs: number,
): ThrottleState {
  const heardBefore = startedMs < state.decreasedMs || nowMs < state.decreasedMs + DECREASE_INTERVAL_MS;
  if (heardBefore) return { ...state, nowMs };
  const rate = Math.min(state.ratePerS, Math.max(achievedPerS, FEW_PER_S));
  return {
    limit: Math.max(1, state.limit / 2),
    ratePerS: Math.max(MIN_RATE_PER_S, rate / 2),
    recoveryPerS: Math.max(rate / RECOVERY_S, MIN_RECOVERY_PER_S),
    decreasedMs: nowMs,
    nowMs,
  };
}
