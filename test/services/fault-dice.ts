import { type Random, seededRandom } from "../../src/clock.ts";

export type Rates<Fault extends string> = Readonly<Partial<Record<Fault, number>>>;

/** What goes wrong with one request, and a number in [0, 1) for where in it. */
export interface Throw<Fault extends string> {
  readonly fault: Fault | undefined;
  readonly where: number;
}

/**
 * Draws faults: the n-th throw is the same for the same seed, whichever request meets it. With one request at a time
 * that replays a run exactly; with several, the same faults come in the same order.
 */
export class FaultDice<Fault extends string> {
  /** Faults that happened, by kind. */
  readonly counts: Record<Fault, number>;
  readonly #random: Random;
  readonly #kinds: readonly Fault[];
  #rates: Rates<Fault>;

  /** @param rates how often each comes, from 0 to 1, together at most 1 @throws RangeError */
  constructor(kinds: readonly Fault[], seed: number, rates: Rates<Fault>) {
    this.#kinds = kinds;
    this.#random = seededRandom(seed);
    this.counts = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Fault, number>;
    this.#rates = checked(kinds, rates);
  }

  set rates(rates: Rates<Fault>) {
    this.#rates = checked(this.#kinds, rates);
  }

  throw(): Throw<Fault> {
    let left = this.#random();
    const where = this.#random();
    for (const fault of this.#kinds) {
      left -= this.#rates[fault] ?? 0;
      if (left < 0) return { fault, where };
    }
    return { fault: undefined, where };
  }

  happened(fault: Fault): void {
    this.counts[fault] += 1;
  }
}

function checked<Fault extends string>(kinds: readonly Fault[], rates: Rates<Fault>): Rates<Fault> {
  const sum = kinds.reduce((total, kind) => total + (rates[kind] ?? 0), 0);
  if (sum > 1 + 1e-9) throw new RangeError(`the rates of faults add up to ${sum}; expected at most 1`);
  return rates;
}
