import type { ComputeBackend, InvocationOptions } from "../compute/contract.ts";
import { Ledger } from "../cost/ledger.ts";
import { ENTRY_FAILED, Run } from "../job/entries.ts";
import type { JournalRecord } from "../job/records.ts";
import type { JobEndKind, JobPlan, SchedulerEvent } from "./commands.ts";
import type { DrawnInputs, JobCounts, JobEnd, JobSpec, RunningJob, TaskOptions } from "./contract.ts";
import type { JobEvent } from "./events.ts";
import { InputBuffer } from "./input-buffer.ts";
import type { JournalQueue } from "./journal-queue.ts";
import { RangeSet } from "./range-set.ts";

const DEFAULT_RETRIES = 3;

export function planOf(
  spec: JobSpec,
  { prices, memory }: Pick<ComputeBackend, "prices" | "memory">,
): JobPlan {
  const { options } = spec;
  const memoryMb = options.memoryMb ?? memory?.defaultMb ?? 0;
  const budget =
    options.budgetUsd === undefined || !prices
      ? undefined
      : {
          usd: options.budgetUsd,
          usdPerMs: (prices.usdPerGbSecond * memoryMb) / 1024 / 1000,
          usdPerAttempt: prices.usdPerRequest,
        };
  return {
    ...(budget ? { budget } : {}),
    stopOnFailure: spec.stopOnFailure,
    retries: options.retries ?? DEFAULT_RETRIES,
    idempotent: options.idempotent ?? true,
    isolate: options.isolate ?? false,
    concurrency: options.concurrency ?? Number.POSITIVE_INFINITY,
    batch: options.batch,
    depth: options.depth ?? 0,
    ...(options.parent === undefined ? undefined : { parent: options.parent }),
    knownLength: spec.input.knownLength,
    storeMs: spec.storeMs ?? 0,
    ...(memory ? { memory: { mb: options.memoryMb ?? memory.defaultMb, maxMb: memory.maxMb } } : undefined),
  };
}

/** What a job needs of the driver that runs it. */
export interface JobHost {
  send(event: SchedulerEvent): void;
  nowMs(): number;
  hasIdleSlots(): boolean;
  /** Later, but soon: other work of the process comes between. */
  defer(callback: () => void): void;
}

/** The driver's side of one job: its inputs, its counts, whom to tell. */
export class JobRun implements RunningJob {
  readonly id: number;
  readonly spec: JobSpec;
  readonly queue: JournalQueue;
  readonly inputs: InputBuffer;
  readonly invocationOptions: InvocationOptions;
  /** Code package of the attempts that start from now on. */
  code: string | undefined;
  readonly counts: { -readonly [K in keyof JobCounts]: JobCounts[K] };
  /** The state machine has ended it; nothing starts any more. */
  ended = false;
  /** `onEnded` was called. */
  finished = false;
  error: unknown;
  readonly ledger: Ledger;
  /** Why the input ended too soon. */
  missing: unknown;
  /** How often tasks have thrown, where `shouldRetry` was asked. */
  readonly thrown = new Map<number, number>();
  #reason: string | undefined;
  readonly #host: JobHost;
  readonly #settled = new RangeSet();
  #drawing = false;
  #drewNothing = true;
  #readyMissed = false;
  #opening: readonly JournalRecord[];

  constructor(id: number, spec: JobSpec, queue: JournalQueue, host: JobHost, prices = "") {
    this.id = id;
    this.spec = spec;
    this.queue = queue;
    this.#host = host;
    this.ledger = new Ledger(prices);
    this.#opening = spec.opening ?? [];
    this.code = spec.code;
    this.inputs = new InputBuffer(spec.journal);
    this.invocationOptions = invocationOptions(spec.options);
    if (spec.settled) {
      const { ranges } = spec.settled;
      for (let i = 0; i < ranges.length; i += 2) this.#settled.add(ranges[i]!, ranges[i + 1]!);
    }
    this.counts = {
      drawn: 0,
      total: spec.input.knownLength,
      started: 0,
      committed: this.#settled.size,
      failed: 0,
      retried: 0,
      running: 0,
    };
  }

  get ref() {
    return this.spec.ref;
  }

  get cost() {
    return this.ledger.total;
  }

  cancel(reason: string): void {
    this.#reason ??= reason;
    this.#host.send({ type: "cancel", job: this.id });
  }

  release(): void {
    this.#host.send({ type: "released", job: this.id });
  }

  inputReady(): void {
    if (this.#drawing) this.#readyMissed = true;
    else this.#host.send({ type: "input-ready", job: this.id });
  }

  rollJournal(): Promise<number | undefined> {
    return new Promise((resolve) => {
      let drawn = 0;
      this.queue.roll({
        // Nothing is being written at that moment: what is counted as drawn is recorded, and nothing else is.
        begins: () => {
          drawn = this.counts.drawn;
        },
        done: (rolled) => resolve(rolled && !this.ended ? drawn : undefined),
      });
    });
  }

  emit(event: JobEvent): void {
    this.spec.onEvent?.(event);
  }

  get isWatched(): boolean {
    const { spec } = this;
    return spec.onEvent !== undefined && (spec.isWatched === undefined || spec.isWatched());
  }

  /** Draws at once if the last draw gave nothing, else in a later turn, so that work that is there starts first. */
  draw(maxTasks: number, maxBytes: number): void {
    this.#drawing = true;
    if (this.#drewNothing) this.#drawNow(maxTasks, maxBytes);
    else this.#host.defer(() => this.#drawNow(maxTasks, maxBytes));
  }

  #drawNow(maxTasks: number, maxBytes: number): void {
    if (this.ended) return;
    try {
      const drawn = this.spec.input.draw(maxTasks, maxBytes);
      if (drawn instanceof Promise) {
        drawn.then(
          (inputs) => this.#guard(() => this.#record(inputs)),
          (error) => this.#inputFailed(error),
        );
      } else this.#record(drawn);
    } catch (error) {
      this.#inputFailed(error);
    }
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#inputFailed(error);
    }
  }

  #inputFailed(error: unknown): void {
    this.fail(error);
    this.#host.send({ type: "input-failed", job: this.id });
  }

  /** Notes why the job is about to end. The first reason stands. */
  fail(error: unknown): void {
    this.error ??= error;
  }

  /** Inputs are recorded before their tasks may start. */
  #record(drawn: DrawnInputs): void {
    if (this.ended) return;
    this.#drewNothing = drawn.count === 0;
    if (drawn.count === 0 && !drawn.done) {
      this.#pending();
      return;
    }
    const run = drawn.run ? this.#checkedRun(drawn.run, drawn.count) : undefined;
    // Whoever has nothing to do waits for these tasks.
    const urgent = this.#opening.length > 0 || this.counts.running === 0 || this.#host.hasIdleSlots();
    const records = [...this.#opening];
    this.#opening = [];
    if (drawn.code !== undefined && drawn.code !== this.code) {
      this.code = drawn.code;
      records.push({ type: "code", jobNumber: this.ref.number, code: drawn.code });
    }
    if (run && !drawn.recorded) records.push({ type: "inputs", run: run.bytes });
    const inputsAt = records.length - 1;
    const total = this.counts.drawn + drawn.count;
    this.missing ??= drawn.missing;
    if (drawn.done && !drawn.recorded && drawn.missing === undefined) {
      records.push({ type: "input-complete", jobNumber: this.ref.number, total });
    }
    if (records.length === 0) {
      this.#drawn(drawn, run, drawn.recorded);
      return;
    }
    this.queue.write(records, { confirm: false, urgent }, (result) => {
      if (this.ended) return;
      if (!result.ok) this.stop(result.why, result.error);
      else this.#drawn(drawn, run, drawn.recorded ?? result.locations[inputsAt]);
    });
  }

  #checkedRun(bytes: Uint8Array, count: number): Run {
    const run = new Run(bytes);
    if (run.first === this.counts.drawn && run.count === count) return run;
    throw new RangeError(
      `inputs ${run.first}–${run.end - 1} were drawn where ${count} from ${this.counts.drawn} on were expected`,
    );
  }

  #drawn(drawn: DrawnInputs, run: Run | undefined, location: JobRunLocation): void {
    this.#drawing = false;
    this.#readyMissed = false;
    this.counts.drawn += drawn.count;
    if (drawn.done) this.counts.total = this.counts.drawn;
    const { drawn: all, total } = this.counts;
    if (this.isWatched) this.emit({ kind: "drawn", atMs: this.#host.nowMs(), drawn: all, total });
    let upstreamFailed: number[] | undefined;
    if (run) {
      this.inputs.add(run, location!, run.count - this.#settled.countIn(run.first, run.end));
      if (!run.allOk) upstreamFailed = failedInputs(run);
    }
    if (drawn.known) this.#adopt(new Run(drawn.known));
    const { count, done } = drawn;
    const sizeBytes = run?.bytes.length ?? 0;
    const event = { type: "inputs-drawn", job: this.id, count, sizeBytes, done } as const;
    this.#host.send(upstreamFailed ? { ...event, upstreamFailed } : event);
  }

  /** Outcomes that are known already are decided before their tasks could start. */
  #adopt(run: Run): void {
    const { first, count } = run;
    this.#host.send({
      type: "adopted",
      job: this.id,
      first,
      count,
      proposal: { run, location: undefined, first, count },
    });
  }

  #pending(): void {
    this.#drawing = false;
    this.#host.send({ type: "input-pending", job: this.id });
    if (!this.#readyMissed) return;
    this.#readyMissed = false;
    this.#host.send({ type: "input-ready", job: this.id });
  }

  /** The journal can't be written or another driver leads: nothing that isn't recorded is shown. */
  stop(why: "fenced" | "broken", error: unknown): void {
    this.fail(error);
    this.#host.send({ type: why, job: this.id });
  }

  /** The tasks have their outcome, recorded. */
  settle(first: number, count: number): void {
    this.inputs.settle(first, count);
    if (this.thrown.size === 0) return;
    for (let index = first; index < first + count; index++) this.thrown.delete(index);
  }

  /** The last that is heard of the job. */
  finish(kind: JobEndKind, failedIndex: number | undefined): void {
    if (this.finished) return;
    this.finished = true;
    this.inputs.clear();
    const end: { -readonly [K in keyof JobEnd]: JobEnd[K] } = { state: kind };
    if (failedIndex !== undefined) end.failedIndex = failedIndex;
    if (this.error !== undefined) end.error = this.error;
    if (kind === "cancelled" && this.#reason !== undefined) end.reason = this.#reason;
    this.queue.release();
    this.spec.input.close?.();
    this.spec.onEnded(end);
  }

  get cancelReason(): string | undefined {
    return this.#reason;
  }
}

type JobRunLocation = Parameters<InputBuffer["add"]>[1] | undefined;

function failedInputs(run: Run): number[] {
  const failed: number[] = [];
  for (let index = run.first; index < run.end; index++) {
    if (run.kindOf(index) === ENTRY_FAILED) failed.push(index);
  }
  return failed;
}

function invocationOptions(options: TaskOptions): InvocationOptions {
  const { timeoutMs, isolate, memoryMb, env, sync, depth, idempotent, inlineOutcomeBytes } = options;
  const invocation: { -readonly [K in keyof InvocationOptions]: InvocationOptions[K] } = {};
  if (timeoutMs !== undefined) invocation.timeoutMs = timeoutMs;
  if (isolate) invocation.isolate = true;
  if (memoryMb !== undefined) invocation.memoryMb = memoryMb;
  if (env) invocation.env = env;
  if (idempotent === false) invocation.flushEachTask = true;
  else if (inlineOutcomeBytes) invocation.inlineOutcomeBytes = inlineOutcomeBytes;
  if (sync) invocation.sync = true;
  if (depth) invocation.depth = depth;
  return invocation;
}
