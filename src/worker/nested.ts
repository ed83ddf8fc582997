import type { CapturedFunction } from "../capture/contract.ts";
import type { Codec } from "../codec/contract.ts";
import { NOTHING } from "../cost/ledger.ts";
import { KingletError, UsageError } from "../errors.ts";
import { JOB } from "../future.ts";
import { ENTRY_VALUE, type OutcomeRef, RunBuilder } from "../job/entries.ts";
import { decodeNestedAnswer, encodeNestedCall, type NestedAnswer, type NestedCall } from "../job/nested.ts";
import type { JobKind } from "../job/records.ts";
import type { Job, JobCost, JobProgress } from "../job.ts";
import { LazyPromise } from "../lazy-promise.ts";
import { type CallOptions, checkCallOptions, show } from "../options.ts";
import { captureCallable } from "../values/callable.ts";
import type { TaskSurroundings } from "./context.ts";
import type { InputReader } from "./inputs.ts";

export interface NestedParts {
  readonly surroundings: TaskSurroundings;
  /** Of the running task: its classes are the task's own. */
  readonly codec: Codec;
  readonly inputs: InputReader;
}

/** `ctx.pool`: maps inside a task. The driver runs them; this task lends its slot while it waits for them. */
export class TaskPool {
  readonly #parts: NestedParts;

  constructor(parts: NestedParts) {
    this.#parts = parts;
  }

  map(fn: unknown, items: unknown, options?: CallOptions): NestedJob {
    return this.#start("map", fn, packItems(items, this.#parts.codec), options);
  }

  mapSettled(fn: unknown, items: unknown, options?: CallOptions): NestedJob {
    return this.#start("mapSettled", fn, packItems(items, this.#parts.codec), options);
  }

  run(fn: unknown, input: unknown, options?: CallOptions): Promise<unknown> {
    if (isThenable(input)) return Promise.resolve(input).then((value) => this.run(fn, value, options));
    const packed = new RunBuilder({ jobNumber: 0, attempt: 0, first: 0 });
    packed.add(ENTRY_VALUE, this.#parts.codec.encode(input, "input"));
    const job = this.#start("run", fn, packed, options);
    return job.then(([value]) => value);
  }

  #start(
    kind: JobKind,
    fn: unknown,
    items: RunBuilder | Promise<RunBuilder>,
    given: CallOptions | undefined,
  ): NestedJob {
    const options = storable(checkCallOptions(given, `ctx.pool.${kind}`), kind);
    const captured = captureCallable(fn, `ctx.pool.${kind}`, `ctx.pool.${kind}`);
    return new NestedJob(
      this.#parts,
      kind,
      Promise.resolve(items).then((run) => this.#ask(kind, captured, options, run)),
    );
  }

  async #ask(
    kind: JobKind,
    captured: CapturedFunction,
    options: Readonly<Record<string, unknown>>,
    run: RunBuilder,
  ): Promise<NestedAnswer> {
    const inputs = Buffer.concat(run.finish());
    const call: NestedCall = {
      kind,
      functionHash: captured.hash,
      functionName: captured.name,
      functionLocation: captured.location,
      options,
      functionBytes: captured.bytes.length,
      inputBytes: inputs.length,
    };
    const answer = await this.#parts.surroundings.request(encodeNestedCall(call, captured.bytes, inputs));
    return decodeNestedAnswer(answer);
  }
}

/** Options as they travel to the driver; those that only mean something in one process are refused. */
function storable(options: CallOptions, where: string): Readonly<Record<string, unknown>> {
  for (const name of ["on", "signal", "name"] as const) {
    if (options[name] === undefined) continue;
    throw new UsageError("BAD_OPTION", `ctx.pool.${where}: option ${name} can't be used inside a task`, {
      remedy: "Leave it out; the nested job ends with the task.",
      details: { option: name },
    });
  }
  if (typeof options.retryErrors === "function") {
    throw new UsageError(
      "BAD_OPTION",
      `ctx.pool.${where}: option retryErrors must be a number inside a task`,
      {
        remedy: "Give a number, or catch errors in the function.",
        details: { option: "retryErrors" },
      },
    );
  }
  return { ...options };
}

/** All items, encoded; a promise for async iterables. Nested inputs are finite, and modest: they are sent as one. */
function packItems(items: unknown, codec: Codec): RunBuilder | Promise<RunBuilder> {
  const run = new RunBuilder({ jobNumber: 0, attempt: 0, first: 0 });
  const add = (item: unknown) => run.add(ENTRY_VALUE, codec.encode(item, `items[${run.count}]`));
  if (items instanceof NestedJob) return items.then((values) => packItems(values, codec));
  if (typeof items === "object" && items !== null && Symbol.asyncIterator in items) {
    return (async () => {
      for await (const item of items as AsyncIterable<unknown>) add(await item);
      return run;
    })();
  }
  if (typeof items === "object" && items !== null && Symbol.iterator in items) {
    const all = [...(items as Iterable<unknown>)];
    // Futures of this task's own nested calls: their values are the items.
    if (all.some(isThenable)) return Promise.all(all).then((values) => packItems(values, codec));
    for (const item of all) add(item);
    return run;
  }
  throw new UsageError(
    "BAD_ARGUMENT",
    `ctx.pool.map: the items are ${show(items)}, which can't be gone over`,
    {
      remedy: "Pass an array, or any iterable or async iterable.",
    },
  );
}

/** A job as a task sees it: its results are there when all of it is done. */
export class NestedJob extends LazyPromise<unknown[]> implements Job<unknown> {
  readonly [JOB] = true as const;
  readonly #parts: NestedParts;
  readonly #kind: JobKind;
  readonly #answer: Promise<NestedAnswer>;
  #id = "";
  #state: JobProgress["state"] = "running";
  #total: number | undefined;

  constructor(parts: NestedParts, kind: JobKind, answer: Promise<NestedAnswer>) {
    super();
    this.#parts = parts;
    this.#kind = kind;
    this.#answer = answer;
    answer.then(
      (got) => {
        this.#state = got.ok ? "done" : "failed";
        if ("jobId" in got) this.#id = got.jobId;
        if (got.ok) this.#total = got.outcomes.reduce((sum, ref) => sum + (ref.count ?? 1), 0);
      },
      () => {
        this.#state = "failed";
      },
    );
  }

  protected async start(): Promise<unknown[]> {
    const answer = await this.#answer;
    const { inputs, codec } = this.#parts;
    if (answer.ok) {
      const settled = this.#kind === "mapSettled";
      return inputs.readOutcomes(settled ? answer.outcomes.map(asSettled) : answer.outcomes, codec);
    }
    if ("failed" in answer) throw await inputs.readError(answer.failed, codec);
    throw new KingletError(
      answer.code as KingletError["code"],
      answer.message,
      answer.remedy ? { remedy: answer.remedy } : {},
    );
  }

  /** Counted with the job whose task asked for it. */
  get cost(): JobCost {
    return NOTHING;
  }

  /** Empty until the job is done. */
  get id(): string {
    return this.#id;
  }

  get progress(): JobProgress {
    const done = this.#total ?? 0;
    return { total: this.#total, drawn: done, done, failed: 0, running: 0, retried: 0, state: this.#state };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    yield* await this;
  }

  async *completed(): AsyncGenerator<{ index: number; value: unknown }, void, undefined> {
    const values = await this;
    for (let index = 0; index < values.length; index++) yield { index, value: values[index] };
  }

  async cancel(): Promise<void> {
    throw new UsageError("BAD_ARGUMENT", "a nested job can't be cancelled from its task", {
      remedy: "It ends with the task; throw an error to end both.",
    });
  }

  detach(): void {
    throw new UsageError("BAD_ARGUMENT", "a nested job can't be detached: it ends with its task", {
      remedy: "Start it from the driver.",
    });
  }
}

const asSettled = (ref: OutcomeRef): OutcomeRef => ({ ...ref, settled: true });

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
