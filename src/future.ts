/**
 * The value that one task will have: a promise that is also an input for other calls. Handed to another call it
 * travels as a reference, and the value goes from storage to the worker without passing through the driver.
 *
 * @example
 * const model = pool.run(train, data);
 * const scores = await pool.map(score, folds.map((fold) => ({ fold })));
 * await pool.run(report, model);          // waits for the model, on the worker's side
 */
export interface Future<R> extends Promise<R> {
  /** The job's id: `pool.attach(id)` finds it again in another process. */
  readonly id: string;
  /** Cancels the task; the future rejects with a TaskError `CANCELLED`. Resolves once it has stopped. */
  cancel(reason?: string): Promise<void>;
  readonly [FUTURE]: true;
}

export const FUTURE: unique symbol = Symbol.for("kinglet.future") as never;
export const JOB: unique symbol = Symbol.for("kinglet.job") as never;

export const isFuture = (value: unknown): value is Future<unknown> =>
  typeof value === "object" && value !== null && (value as { [FUTURE]?: true })[FUTURE] === true;

export const isJob = (value: unknown): boolean =>
  typeof value === "object" && value !== null && (value as { [JOB]?: true })[JOB] === true;
