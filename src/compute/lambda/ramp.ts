/**
 * Lambda adds environments to one function at a limited rate, whatever the account may have: a bucket of tokens for
 * each copy of the function. Who starts more is throttled.
 *
 * Source: AWS Lambda Developer Guide, "Lambda scaling behavior": 1,000 execution environments every 10 seconds for
 * each function, refilled continuously.
 */
export const RAMP_ENVIRONMENTS = 1000;
export const RAMP_WINDOW_MS = 10_000;

/** So many environments of one copy take 15 s to start. */
const SLOTS_A_COPY = 2500;
const MAX_COPIES = 10;

/** How many copies of the function so many slots are spread over. */
export const copiesFor = (slots: number): number =>
  Math.min(MAX_COPIES, Math.max(1, Math.ceil(slots / SLOTS_A_COPY)));

/** Says when how many environments may be started, and of which copy. */
export class Ramp {
  readonly #tokens: number[];
  #refilledMs: number;

  constructor(copies: number, nowMs: number) {
    this.#tokens = Array.from({ length: copies }, () => RAMP_ENVIRONMENTS);
    this.#refilledMs = nowMs;
  }

  /** The copies of up to `wanted` environments that may start now: the first copy as far as it can, then the next. */
  take(wanted: number, nowMs: number): number[] {
    this.#refill(nowMs);
    const copies: number[] = [];
    for (let copy = 0; copy < this.#tokens.length && copies.length < wanted; copy++) {
      const taken = Math.min(wanted - copies.length, Math.floor(this.#tokens[copy]!));
      this.#tokens[copy]! -= taken;
      for (let i = 0; i < taken; i++) copies.push(copy);
    }
    return copies;
  }

  /** When more may start: not for every single one, which would be a timer each 10 ms. */
  get nextMs(): number {
    return this.#refilledMs + RAMP_WINDOW_MS / 20;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#refilledMs);
    const more = (elapsedMs / RAMP_WINDOW_MS) * RAMP_ENVIRONMENTS;
    for (let i = 0; i < this.#tokens.length; i++) {
      this.#tokens[i] = Math.min(RAMP_ENVIRONMENTS, this.#tokens[i]! + more);
    }
    this.#refilledMs = Math.max(this.#refilledMs, nowMs);
  }
}
