import { throttled } from "./errors.ts";
import type { LambdaFunction } from "./functions.ts";
import type { Limits } from "./limits.ts";

const SECOND_MS = 1000;

/** Counts what happened within a span of time that slides. */
class Window {
  readonly #spanMs: number;
  readonly #times: number[] = [];

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  get count(): number {
    const start = performance.now() - this.#spanMs;
    while (this.#times.length > 0 && this.#times[0]! <= start) this.#times.shift();
    return this.#times.length;
  }

  add(): void {
    this.#times.push(performance.now());
  }
}

interface Usage {
  running: number;
  readonly started: Window;
  readonly requests: Window;
}

/** How many may run at once, and how fast that may grow, in one account and region: limits.ts, "concurrency", "scaling". */
export class Scaling {
  readonly #limits: Limits;
  readonly #usage = new Map<LambdaFunction, Usage>();
  readonly #requests = new Window(SECOND_MS);

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * One invocation more. Call what it returns when that is over.
   *
   * @throws AwsError 429 with the reason
   */
  enter(fn: LambdaFunction): () => void {
    const usage = this.#of(fn);
    const { concurrency, requestsPerSecondPerConcurrency: rate } = this.#limits;
    const reserved = fn.reservedConcurrency;
    if (reserved !== undefined) {
      if (usage.running >= reserved) throw throttled("ReservedFunctionConcurrentInvocationLimitExceeded");
      if (usage.requests.count >= reserved * rate)
        throw throttled("ReservedFunctionInvocationRateLimitExceeded");
    } else {
      if (this.#unreservedRunning() >= concurrency - this.#reserved())
        throw throttled("ConcurrentInvocationLimitExceeded");
      if (this.#requests.count >= concurrency * rate) throw throttled("CallerRateLimitExceeded");
      this.#requests.add();
    }
    usage.requests.add();
    usage.running += 1;
    return () => {
      usage.running -= 1;
    };
  }

  /** A new environment. @throws AwsError 429 if the function has started too many lately */
  startEnvironment(fn: LambdaFunction): void {
    const { started } = this.#of(fn);
    if (started.count >= this.#limits.newEnvironments) throw throttled("ConcurrentInvocationLimitExceeded");
    started.add();
  }

  /** How much concurrency may still be reserved. */
  reservable(fn: LambdaFunction): number {
    const { concurrency, unreservedConcurrency } = this.#limits;
    return concurrency - unreservedConcurrency - (this.#reserved() - (fn.reservedConcurrency ?? 0));
  }

  get unreserved(): number {
    return this.#limits.concurrency - this.#reserved();
  }

  add(fn: LambdaFunction): void {
    this.#of(fn);
  }

  #of(fn: LambdaFunction): Usage {
    let usage = this.#usage.get(fn);
    if (!usage) {
      const spanMs = this.#limits.newEnvironmentsPerMs;
      usage = { running: 0, started: new Window(spanMs), requests: new Window(SECOND_MS) };
      this.#usage.set(fn, usage);
    }
    return usage;
  }

  #reserved(): number {
    return [...this.#usage.keys()].reduce(
      (sum, fn) => sum + (fn.isDeleted ? 0 : (fn.reservedConcurrency ?? 0)),
      0,
    );
  }

  #unreservedRunning(): number {
    let running = 0;
    for (const [fn, usage] of this.#usage) if (fn.reservedConcurrency === undefined) running += usage.running;
    return running;
  }
}
