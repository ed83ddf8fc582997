import type { MaybePromise } from "./storage/contract.ts";

/**
 * `value.then(next)` where it is a promise, `next(value)` at once where it isn't: a disk answers at once, and a
 * promise for each step would cost more than the step.
 */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
