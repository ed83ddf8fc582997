import type { JOB } from "./future.ts";

/** Counts of a job's tasks, at this moment. */
export interface JobProgress {
  /** Number of tasks; undefined until the input was drawn to its end. */
  readonly total: number | undefined;
  /** Tasks recorded so far. */
  readonly drawn: number;
  /** Tasks with an outcome. */
  readonly done: number;
  /** How many of these failed. */
  readonly failed: number;
  readonly running: number;
  /** Attempts beyond the first. */
  readonly retried: number;
  readonly state: JobStatus;
}

/** What a job cost so far, in US dollars at the region's list prices; all 0 for local workers. */
export interface JobCost {
  /** All of it: `computeUsd + requestsUsd + storageUsd`. */
  readonly usd: number;
  /** Workers' time, their starts included. */
  readonly computeUsd: number;
  /** Invocations. */
  readonly requestsUsd: number;
  /** Requests of this program to the store; those of the workers aren't counted. */
  readonly storageUsd: number;
  /** Part of compute and requests that attempts cost which failed. */
  readonly wastedByRetriesUsd: number;
  /** Part of compute and requests that attempts cost whose tasks another one brought first. */
  readonly wastedByBackupsUsd: number;
  /** Memory times billed time. */
  readonly gbSeconds: number;
  readonly invocations: number;
  /** Which prices, as of when; "" where nothing costs anything. */
  readonly prices: string;
}

export type JobStatus = "running" | "done" | "failed" | "cancelled" | "detached";

/**
 * One `map`: its tasks run as soon as it is made, whether or not anyone awaits it.
 *
 * - `await job`: the results in the order of the items; rejects with the first failure in time (`map`).
 * - `for await (const result of job)`: in the order of the items, as soon as each is there. Leaving the loop early
 *   cancels the rest; awaiting the job after iterating it reads the results from storage again.
 * - Passed to another call as its items (or as `run`'s input), it is dataflow: that call starts task by task as
 *   outcomes come in, and values go from storage to the workers.
 * - A failure that nobody observed is thrown by `pool.close()`; it is never an unhandled rejection.
 *
 * @example
 * const job = pool.map((n) => n * 2, [1, 2, 3]);
 * for await (const { index, value } of job.completed()) console.log(index, value);
 */
export interface Job<R> extends Promise<R[]>, AsyncIterable<R> {
  /** Finds the job again in another process: `pool.attach(id)`, `kinglet resume <id>`. */
  readonly id: string;
  readonly progress: JobProgress;
  /** What it cost so far, retries and backups included. */
  readonly cost: JobCost;
  /** Values as their tasks finish, whatever the order. */
  completed(): AsyncIterable<{ readonly index: number; readonly value: R }>;
  /** No attempt starts after this call; running ones are told (`ctx.signal`) and stopped. Resolves when all have. */
  cancel(reason?: string): Promise<void>;
  /**
   * Lets go of the job: `pool.close()` doesn't wait for it, and what isn't done by then stays in the store, to be
   * resumed by `pool.attach(id)` or `kinglet resume <id>`.
   */
  detach(): void;
  readonly [JOB]: true;
}
