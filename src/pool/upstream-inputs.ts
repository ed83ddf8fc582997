import { TaskError } from "../errors.ts";
import { isFuture, isJob } from "../future.ts";
import { ENTRY_FAILED, ENTRY_OUTCOME, ENTRY_OUTCOMES } from "../job/entries.ts";
import type { DrawnInputs, JobInput } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import { type InputContext, InputRuns } from "./input-runs.ts";
import type { JobCore } from "./job-handle.ts";
import { addFuture, json, refOf, upstreamFailed } from "./upstream.ts";

/** The outcomes of another job, one by one, as they are committed: by reference. */
export class JobItemsInput implements JobInput {
  readonly #upstream: JobCore;
  readonly #runs: InputRuns;

  constructor(upstream: JobCore, context: InputContext) {
    upstream.refuseIfDropped(0);
    this.#upstream = upstream;
    this.#runs = new InputRuns(context);
    context.core.code?.noteUpstream(upstream.code);
    upstream.want("all");
    upstream.listen(() => context.core.running?.inputReady());
    upstream.ended().then(() => context.core.running?.inputReady());
  }

  get knownLength(): undefined {
    return undefined;
  }

  draw(maxTasks: number): MaybePromise<DrawnInputs> {
    const upstream = this.#upstream;
    const runs = this.#runs;
    while (runs.count < maxTasks) {
      const segment = upstream.table.startingAt(runs.index);
      if (!segment) break;
      for (let i = segment.first; i < segment.first + segment.count; i++) {
        runs.addEntry(ENTRY_OUTCOME, json(refOf(upstream, segment, i)));
      }
    }
    const { count } = runs;
    if (count > 0) return { run: runs.take() as Uint8Array, count, done: false };
    if (!upstream.ending) return { count: 0, done: false };
    if (upstream.ending.status === "done") return { count: 0, done: true };
    return upstream.failure().then((cause) => {
      throw new TaskError("UPSTREAM_FAILED", `the job whose results are the items, ${upstream.id}, failed`, {
        cause,
        remedy: "Mend that job, or make it a mapSettled.",
        details: { jobId: upstream.id },
      });
    });
  }
}

/** The one input of `pool.run`: a value, a future, or a whole job, which arrives as its array. */
export class SingleInput implements JobInput {
  readonly knownLength = 1;
  readonly #runs: InputRuns;
  readonly #input: unknown;
  #run: MaybePromise<Uint8Array> | undefined;
  #done = false;

  constructor(input: unknown, context: InputContext) {
    this.#runs = new InputRuns(context);
    this.#input = input;
    if (typeof input === "object" && input !== null && (isFuture(input) || isJob(input))) return;
    this.#runs.add(input);
    this.#run = this.#runs.take();
  }

  draw(): MaybePromise<DrawnInputs> {
    if (this.#done) return { count: 0, done: true };
    const run = (this.#run ??= this.#fromUpstream());
    if (!run) return { count: 0, done: false };
    this.#done = true;
    return run instanceof Promise
      ? run.then((bytes) => ({ run: bytes, count: 1, done: true }))
      : { run, count: 1, done: true };
  }

  #fromUpstream(): MaybePromise<Uint8Array> | undefined {
    const { core } = this.#input as { core: JobCore };
    const ready = isFuture(this.#input) ? addFuture(this.#runs, core) : this.#addJob(core);
    if (ready) return this.#runs.take();
    core.changed().then(() => this.#runs.context.core.running?.inputReady());
    return undefined;
  }

  #addJob(core: JobCore): boolean {
    core.refuseIfDropped(0);
    core.want("all");
    this.#runs.context.core.code?.noteUpstream(core.code);
    if (!core.ending) return false;
    if (core.ending.status !== "done") this.#runs.addEntry(ENTRY_FAILED, upstreamFailed(core));
    else {
      const refs = [...core.table.segments()]
        .sort((a, b) => a.first - b.first)
        .map((segment) => ({ ...refOf(core, segment, segment.first), count: segment.count }));
      this.#runs.addEntry(ENTRY_OUTCOMES, json(refs));
    }
    return true;
  }
}
