// Not the globals: a task may put fake timers in their place.
import { setImmediate } from "node:timers";
import { KingletError } from "../errors.ts";

/**
 * Work written as a generator that yields the promises it must wait for. Unlike an async function it goes on in the
 * same turn where a promise is settled already, and it is never inside a promise callback when it goes on: so
 * pending ticks and unhandled rejections can be dealt with after each task, and charged to that task alone.
 */
export type Steps<R> = Generator<PromiseLike<unknown> | Peek, R, unknown>;

type Tick = () => void;
// Node's own "run what is pending now", on `process` since 0.x; absent elsewhere, and then a turn of the loop does it.
const nodeTick = (process as { _tickCallback?: Tick })._tickCallback?.bind(process);

/**
 * Runs pending ticks, promise callbacks and unhandled-rejection checks. Only outside of promise callbacks.
 * What a tick throws is an uncaught exception, as ever, not an error of who called this.
 */
export function runPendingTicks(): void {
  try {
    nodeTick?.();
  } catch (error) {
    const listeners = process.listeners("uncaughtException");
    if (listeners.length === 0) throw error;
    for (const listener of listeners) listener(error as Error, "uncaughtException");
  }
}

/** Resolves after the event loop has gone round: timers, I/O and finalizers had their chance. */
export const loopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Yielded in place of a promise by steps that would rather do something else than wait: they may get PENDING. */
export class Peek {
  readonly promise: PromiseLike<unknown>;

  constructor(promise: PromiseLike<unknown>) {
    this.promise = promise;
  }
}
export const PENDING: unique symbol = Symbol("pending");

/** A running set of steps. */
export interface Drive {
  /**
   * The event loop has nothing left that could settle what the steps wait for: they get a KingletError NEVER_SETTLES.
   * @returns false where they don't wait
   */
  neverSettles(): boolean;
}

/**
 * Runs `steps` to their end; `finish` may be called before this returns. Must be called outside of promise callbacks
 * (from setImmediate). Errors thrown by the steps are bugs: they go to `fail`.
 */
export function drive<R>(
  steps: Steps<R>,
  finish: (result: R) => void,
  fail: (error: unknown) => void,
): Drive {
  let waitingFor: Wait | undefined;

  const advance = (wait: Wait | undefined): void => {
    for (;;) {
      let step: IteratorResult<PromiseLike<unknown> | Peek, R>;
      try {
        step =
          wait === undefined
            ? steps.next()
            : wait.rejected
              ? steps.throw(wait.value)
              : steps.next(wait.value);
      } catch (error) {
        fail(error);
        return;
      }
      if (step.done) {
        finish(step.value);
        return;
      }
      const isPeek = step.value instanceof Peek;
      wait = waitFor(step.value instanceof Peek ? step.value.promise : step.value, resume);
      runPendingTicks();
      if (!wait.settled) {
        if (!isPeek) {
          waitingFor = wait;
          return;
        }
        wait = { settled: true, rejected: false, value: PENDING };
      }
    }
  };

  const resume = (wait: Wait): void => {
    if (waitingFor !== wait) return; // settled at once, or given up
    waitingFor = undefined;
    setImmediate(advance, wait);
  };

  advance(undefined);
  return {
    neverSettles() {
      if (!waitingFor) return false;
      const wait = waitingFor;
      wait.settled = wait.rejected = true;
      wait.value = new KingletError(
        "NEVER_SETTLES",
        "the task's promise can never settle: nothing is left that it could wait for",
        {
          remedy: "Look for a promise whose resolve or reject is never called, or an event that never comes.",
        },
      );
      resume(wait);
      return true;
    },
  };
}

interface Wait {
  settled: boolean;
  rejected: boolean;
  value: unknown;
}

function waitFor(promise: PromiseLike<unknown>, resume: (wait: Wait) => void): Wait {
  const wait: Wait = { settled: false, rejected: false, value: undefined };
  const settle = (rejected: boolean, value: unknown): void => {
    if (wait.settled) return;
    wait.settled = true;
    wait.rejected = rejected;
    wait.value = value;
    resume(wait);
  };
  // Promise.resolve tames thenables that call back twice, at once, or throw.
  Promise.resolve(promise).then(
    (value) => settle(false, value),
    (error) => settle(true, error),
  );
  return wait;
}
