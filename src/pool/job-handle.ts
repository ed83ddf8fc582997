import { REDUCE } from "../codec/graph/registry.ts";
import { CaptureError } from "../errors.ts";
import { FUTURE, type Future, JOB } from "../future.ts";
import type { Run } from "../job/entries.ts";
import type { Job, JobCost, JobProgress } from "../job.ts";
import { LazyPromise } from "../lazy-promise.ts";
import { chain } from "../maybe.ts";
import type { MaybePromise } from "../storage/contract.ts";
import type { JobCore } from "./job-core.ts";
import type { Outcome, Segment } from "./outcomes.ts";

export { JobCore, type JobEnding } from "./job-core.ts";

/** Results of all tasks, in order. */
async function collect<R>(core: JobCore): Promise<R[]> {
  core.refuseIfDropped(0);
  core.want("all");
  const values: unknown[] = [];
  const pending: Promise<void>[] = [];
  const place = (index: number, outcome: Outcome<unknown>) => {
    if (core.kind === "mapSettled") {
      values[index] = outcome.ok
        ? { status: "fulfilled", value: outcome.value }
        : { status: "rejected", reason: outcome.error };
    } else if (outcome.ok) values[index] = outcome.value;
  };
  const takeRun = (segment: Segment, run: Run): MaybePromise<void> => {
    const later: Promise<void>[] = [];
    for (let index = segment.first; index < segment.first + segment.count; index++) {
      const outcome = core.read(run, index);
      if (outcome instanceof Promise) later.push(outcome.then((o) => place(index, o)));
      else place(index, outcome);
    }
    core.table.release(segment);
    return later.length > 0 ? Promise.all(later).then(() => {}) : undefined;
  };
  const take = (segment: Segment) => {
    const taken = chain(core.table.load(segment), (run) => takeRun(segment, run));
    if (taken instanceof Promise) {
      taken.catch(() => {}); // it is looked at when the job has ended
      pending.push(taken);
    }
  };
  let broken: { error: unknown } | undefined;
  const stop = core.listen((segment) => {
    try {
      take(segment);
    } catch (error) {
      broken ??= { error };
    }
  });
  await core.ended();
  stop();
  core.refuseIfDropped(0);
  const error = await core.failure();
  for (const one of await Promise.allSettled(pending)) {
    if (one.status === "rejected") broken ??= { error: one.reason };
  }
  if (error !== undefined) throw error;
  if (broken) throw broken.error;
  return values as R[];
}

/** Values in order of the items. */
async function* inOrder<R>(core: JobCore): AsyncGenerator<R, void, undefined> {
  core.want("stream");
  let finished = false;
  try {
    for (let index = 0; ; ) {
      index = Math.max(index, core.begin);
      const segment = core.table.startingAt(index);
      if (!segment) {
        core.refuseIfDropped(index);
        if (core.ending) {
          const error = await core.failure();
          finished = true;
          if (error !== undefined) throw error;
          return;
        }
        await core.changed();
        continue;
      }
      const run = await core.table.load(segment);
      for (; index < segment.first + segment.count; index++) {
        yield (await valueFor(core, run, index)) as R;
      }
      core.table.release(segment);
      core.consume(index, segment);
    }
  } finally {
    if (!finished) await core.cancel("its loop was left");
  }
}

async function* asCompleted<R>(core: JobCore): AsyncGenerator<{ index: number; value: R }, void, undefined> {
  core.want("stream");
  let finished = false;
  let seen = 0;
  try {
    for (let n = 0; ; n++) {
      let segment = core.table.nth(n);
      while (!segment && !core.ending) {
        await core.changed();
        segment = core.table.nth(n);
      }
      if (segment === "dropped") return core.refuseIfDropped(core.begin);
      if (!segment) {
        const error = await core.failure();
        finished = true;
        if (error !== undefined) throw error;
        return;
      }
      const run = await core.table.load(segment);
      for (let index = segment.first; index < segment.first + segment.count; index++) {
        yield { index, value: (await valueFor(core, run, index)) as R };
      }
      core.table.release(segment);
      seen += segment.count;
      core.consume(seen, segment);
    }
  } finally {
    if (!finished) await core.cancel("its loop was left");
  }
}

async function valueFor(core: JobCore, run: Run, index: number): Promise<unknown> {
  const outcome = await core.read(run, index);
  if (core.kind === "mapSettled") {
    return outcome.ok
      ? { status: "fulfilled", value: outcome.value }
      : { status: "rejected", reason: outcome.error };
  }
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

/** Captured, a job or future would be made again in the worker, at best: refused, with what to do instead. */
export function refuseCapture(what: string, remedy: string): () => never {
  return () => {
    throw new CaptureError(`${what} can't be captured by a function: it belongs to this process`, { remedy });
  };
}

const PASS_IT = "Pass it as the input, or among the items: the function gets its value.";

export class JobHandle<R> extends LazyPromise<R[]> implements Job<R> {
  readonly [REDUCE] = refuseCapture("a job", PASS_IT);
  readonly [JOB] = true as const;
  readonly core: JobCore;

  constructor(core: JobCore) {
    super();
    this.core = core;
  }

  protected start(): Promise<R[]> {
    return collect<R>(this.core);
  }

  get id(): string {
    return this.core.id;
  }

  get progress(): JobProgress {
    return this.core.progress;
  }

  get cost(): JobCost {
    return this.core.cost;
  }

  [Symbol.asyncIterator](): AsyncIterator<R> {
    return inOrder<R>(this.core);
  }

  completed(): AsyncIterable<{ index: number; value: R }> {
    return asCompleted<R>(this.core);
  }

  cancel(reason?: string): Promise<void> {
    return this.core.cancel(reason);
  }

  detach(): void {
    this.core.detach();
  }
}

export class FutureHandle<R> extends LazyPromise<R> implements Future<R> {
  readonly [REDUCE] = refuseCapture("a future", PASS_IT);
  readonly [FUTURE] = true as const;
  readonly core: JobCore;

  constructor(core: JobCore) {
    super();
    this.core = core;
  }

  protected start(): Promise<R> {
    const { core } = this;
    core.want("all");
    return new Promise<R>((resolve, reject) => {
      const settle = (outcome: Outcome<unknown>) =>
        outcome.ok ? resolve(outcome.value as R) : reject(outcome.error);
      const stop = core.listen((segment) => {
        try {
          if (segment.run) {
            const outcome = core.read(segment.run, 0);
            if (outcome instanceof Promise) outcome.then(settle, reject);
            else settle(outcome);
          } else core.outcomeOf(0).then(settle, reject);
        } catch (error) {
          reject(error);
        }
      });
      // Settled by its outcome; if there is none, by how the job ended.
      core.onceEnded(() => {
        stop();
        if (core.table.committed === 0) core.failure().then(reject, reject);
      });
    });
  }

  get id(): string {
    return this.core.id;
  }

  cancel(reason?: string): Promise<void> {
    return this.core.cancel(reason);
  }
}
