import { FaultDice, type Rates } from "../fault-dice.ts";

export const INVOKE_FAULTS = [
  /** The environment is killed when it has been given the invocation. */
  "killBefore",
  /** The environment is killed `ms` after the function began. */
  "killDuring",
  /** The environment is killed once the function has answered; the answer reaches the caller. */
  "killAfter",
  /** 429. */
  "throttle",
  /** 500, and the function never ran. */
  "serverError",
  /** 500 in place of the answer: the function ran. */
  "lostAnswer",
  /** All processes of the environment stand still for `ms`, `afterMs` after the function began. */
  "freeze",
  /** The invocation runs in a second environment as well; the first answer counts. */
  "duplicate",
  /** The caller's connection is reset `ms` after the function began, which goes on. */
  "cut",
  /** The answer comes `ms` later. */
  "delay",
] as const;

export type InvokeFault = (typeof INVOKE_FAULTS)[number];

/** What happens to one invocation. */
export interface FaultOrder {
  readonly fault: InvokeFault;
  /** See each fault. Default 20. */
  readonly ms?: number;
  /** The n-th invocation from now on, of those that match. Default 1. */
  readonly nth?: number;
  readonly functionName?: string;
}

export interface FaultRates {
  /** Print it where a test fails. */
  readonly seed: number;
  /** How often each comes, from 0 to 1, together at most 1. */
  readonly rates: Rates<InvokeFault>;
  /** The most that `ms` is; each is drawn from below. Default 100. */
  readonly mostMs?: number;
}

interface Waiting extends FaultOrder {
  left: number;
}

/** The faults of one account: those that were ordered come first, then those drawn by rates. */
export class InvokeFaults {
  #dice = new FaultDice<InvokeFault>(INVOKE_FAULTS, 1, {});
  #mostMs = 100;
  readonly #orders = new Set<Waiting>();

  get counts(): Readonly<Record<InvokeFault, number>> {
    return this.#dice.counts;
  }

  /** From now on; counts start from 0. */
  setRates({ seed, rates, mostMs }: FaultRates): void {
    this.#dice = new FaultDice(INVOKE_FAULTS, seed, rates);
    this.#mostMs = mostMs ?? 100;
  }

  order(order: FaultOrder): void {
    this.#orders.add({ ...order, left: order.nth ?? 1 });
  }

  /** What happens to the next invocation of this function. */
  next(functionName: string): { fault: InvokeFault; ms: number } | undefined {
    // A throw for each invocation, used or not: the n-th one stays the n-th.
    const { fault, where } = this.#dice.throw();
    let due: Waiting | undefined;
    for (const order of this.#orders) {
      if (order.functionName && order.functionName !== functionName) continue;
      order.left -= 1;
      if (order.left === 0) due ??= order;
    }
    if (due) {
      this.#orders.delete(due);
      return { fault: due.fault, ms: due.ms ?? 20 };
    }
    return fault && { fault, ms: Math.floor(where * this.#mostMs) };
  }

  happened(fault: InvokeFault): void {
    this.#dice.happened(fault);
  }
}
