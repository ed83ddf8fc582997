import type { Clock } from "../../../clock.ts";

/** What waiting for AWS takes; tests have shorter ones. */
export interface Patience {
  readonly clock: Clock;
  /** First pause between two looks; doubled up to `maxPollMs`. */
  readonly pollMs: number;
  readonly maxPollMs: number;
  /** How long a function may take to be ready, its role's way through AWS included. */
  readonly readyMs: number;
  /** How old a role is before its first function is used: AWS needs some seconds until its policy holds everywhere. */
  readonly roleAgeMs: number;
}

export const delay = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => clock.after(ms, resolve));

/** Looks again until there is an answer, with growing pauses; undefined once `readyMs` have passed. */
export async function lookUntil<T>(
  patience: Patience,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { clock, readyMs, maxPollMs } = patience;
  const endMs = clock.nowMs() + readyMs;
  for (let pauseMs = patience.pollMs; ; pauseMs = Math.min(maxPollMs, 2 * pauseMs)) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.nowMs() + pauseMs > endMs) return undefined;
    await delay(clock, pauseMs);
  }
}
