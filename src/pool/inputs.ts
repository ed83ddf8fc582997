import { TaskError, UsageError } from "../errors.ts";
import { isFuture, isJob } from "../future.ts";
import { ENTRY_FAILED, ENTRY_OUTCOME, ENTRY_OUTCOMES } from "../job/entries.ts";
import { show } from "../options.ts";
import type { DrawnInputs, JobInput } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import { ContinuedInput, type NamedOutcomes } from "./continue.ts";
import { type InputContext, InputRuns } from "./input-runs.ts";
import { PackagedInput } from "./job-code.ts";
import type { FutureHandle, JobCore, JobHandle } from "./job-handle.ts";
import { addFuture, json, refOf, upstreamFailed, whenCommitted } from "./upstream.ts";

export type { InputContext } from "./input-runs.ts";

/** Items of an array up to which all are encoded before the call returns, so that a bad one is an error at once. */
const CHECKED_AT_ONCE = 10_000;
const CHECKED_BYTES = 64 * 1024 * 1024;
const CHUNK_TASKS = 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Where each chunk is a request. */
const REMOTE_CHUNK_TASKS = 8192;
const REMOTE_CHUNK_BYTES = 4 * 1024 * 1024;
/** Items of an async iterable that are encoded ahead of being drawn. */
const PUMP_AHEAD = 1024;

/** @throws UsageError BAD_ARGUMENT where `items` can't be gone over; UnserializableError for a bad item of an array */
export function inputFrom(items: unknown, context: InputContext, named?: Promise<NamedOutcomes>): JobInput {
  if (!named) return packaged(itemsInput(items, context), context);
  const inner = packaged(itemsInput(items, { ...context, byContent: true }), context);
  return new ContinuedInput(inner, context.store, named);
}

function packaged(input: JobInput, { core }: InputContext): JobInput {
  return core.code ? new PackagedInput(input, core.code) : input;
}

/** As inputFrom, for the one input of `run`. */
export function singleInput(input: unknown, context: InputContext, named?: Promise<NamedOutcomes>): JobInput {
  if (!named) return packaged(new SingleInput(input, context), context);
  const inner = packaged(new SingleInput(input, { ...context, byContent: true }), context);
  return new ContinuedInput(inner, context.store, named);
}

function itemsInput(items: unknown, context: InputContext): JobInput {
  if (isJob(items)) return new JobItemsInput((items as JobHandle<unknown>).core, context);
  if (typeof items === "object" && items !== null) {
    if (Array.isArray(items)) return new ItemsInput(items[Symbol.iterator](), items.length, context);
    if (Symbol.asyncIterator in items) return new PumpedInput(items as AsyncIterable<unknown>, context);
    if (Symbol.iterator in items) {
      const known = knownLength(items as Iterable<unknown>);
      return new ItemsInput((items as Iterable<unknown>)[Symbol.iterator](), known, context);
    }
  }
  const remedy =
    typeof items === "string"
      ? 'To map over its characters, pass [...text]; over its lines, text.split("\\n").'
      : "Pass an array, any iterable or async iterable, or a Job.";
  throw new UsageError("BAD_ARGUMENT", `map: the items are ${describe(items)}, which can't be gone over`, {
    remedy,
  });
}

const describe = (items: unknown) => (typeof items === "string" ? `the string ${show(items)}` : show(items));

function knownLength(items: Iterable<unknown>): number | undefined {
  if (items instanceof Set || items instanceof Map) return items.size;
  if (ArrayBuffer.isView(items) && "length" in items) return items.length as number;
  return undefined;
}

/** Items of an iterable, drawn when asked for; arrays are checked as far as is cheap before anything runs. */
export class ItemsInput implements JobInput {
  readonly knownLength: number | undefined;
  readonly #iterator: Iterator<unknown>;
  readonly #runs: InputRuns;
  #checked: { run: MaybePromise<Uint8Array>; count: number }[] = [];
  #exhausted = false;
  /** An item that was drawn, but whose future has no outcome yet. */
  #held: { item: unknown } | undefined;

  constructor(iterator: Iterator<unknown>, knownLength: number | undefined, context: InputContext) {
    this.#iterator = iterator;
    this.knownLength = knownLength;
    this.#runs = new InputRuns(context);
    if (knownLength !== undefined) this.#checkAtOnce();
  }

  #checkAtOnce(): void {
    while (
      !this.#exhausted &&
      !this.#held &&
      this.#runs.index < CHECKED_AT_ONCE &&
      this.#runs.bytes < CHECKED_BYTES
    ) {
      const remote = this.#runs.context.store.capabilities.append === "emulated";
      const count = remote
        ? this.#fill(REMOTE_CHUNK_TASKS, REMOTE_CHUNK_BYTES)
        : this.#fill(CHUNK_TASKS, CHUNK_BYTES);
      if (count > 0) this.#checked.push({ run: this.#runs.take(), count });
    }
  }

  draw(maxTasks: number, maxBytes: number): MaybePromise<DrawnInputs> {
    const ready = this.#checked.shift();
    if (ready) return this.#drawn(ready.run, ready.count);
    const { core } = this.#runs.context;
    const room = this.knownLength === undefined ? core.drawRoom(this.#runs.index) : maxTasks;
    const count = this.#fill(Math.min(maxTasks, room), maxBytes);
    return count > 0 ? this.#drawn(this.#runs.take(), count) : { count: 0, done: this.#done };
  }

  get #done(): boolean {
    return this.#exhausted && this.#checked.length === 0;
  }

  /** The job ended: a generator gets to run its `finally`. */
  close(): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    this.#iterator.return?.();
  }

  #drawn(run: MaybePromise<Uint8Array>, count: number): MaybePromise<DrawnInputs> {
    const done = this.#done;
    return run instanceof Promise ? run.then((bytes) => ({ run: bytes, count, done })) : { run, count, done };
  }

  /** Adds items to the run until it is full, the items end, or one must be waited for. */
  #fill(maxTasks: number, maxBytes: number): number {
    const runs = this.#runs;
    while (runs.count < maxTasks && runs.runBytes < maxBytes && !this.#exhausted) {
      let item: unknown;
      if (this.#held) item = this.#held.item;
      else {
        const next = this.#iterator.next();
        if (next.done) {
          this.#exhausted = true;
          break;
        }
        item = next.value;
      }
      this.#held = undefined;
      if (typeof item === "object" && item !== null && isFuture(item)) {
        const { core } = item as unknown as FutureHandle<unknown>;
        if (!addFuture(runs, core)) {
          this.#held = { item };
          whenCommitted(core).then(() => this.#runs.context.core.running?.inputReady());
          break;
        }
      } else runs.add(item);
    }
    return runs.count;
  }
}

/** Items of an async iterable: pulled ahead, in constant memory, and encoded as they come. */
export class PumpedInput implements JobInput {
  readonly knownLength = undefined;
  readonly #runs: InputRuns;
  readonly #iterator: AsyncIterator<unknown>;
  #done = false;
  #failed: { error: unknown } | undefined;
  #pumping = false;
  #stopped = false;

  constructor(items: AsyncIterable<unknown>, context: InputContext) {
    this.#runs = new InputRuns(context);
    this.#iterator = items[Symbol.asyncIterator]();
  }

  draw(_maxTasks: number, _maxBytes: number): MaybePromise<DrawnInputs> {
    if (this.#failed && this.#runs.count === 0) throw this.#failed.error;
    const { count } = this.#runs;
    const run = count > 0 ? this.#runs.take() : undefined;
    this.#pump();
    const done = this.#done && !this.#failed;
    if (run instanceof Promise) return run.then((bytes) => ({ run: bytes, count, done }));
    return run ? { run, count, done } : { count: 0, done };
  }

  /** The job ended: the iterable is told to stop. */
  close(): void {
    this.#stopped = true;
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  async #pump(): Promise<void> {
    if (this.#pumping || this.#done) return;
    this.#pumping = true;
    const runs = this.#runs;
    const { core } = runs.context;
    try {
      while (!this.#done && !this.#stopped) {
        if (runs.count >= PUMP_AHEAD || runs.runBytes >= CHUNK_BYTES || core.drawRoom(runs.index) === 0)
          break;
        const next = await this.#iterator.next();
        if (next.done) this.#done = true;
        else if (isFuture(next.value)) {
          const upstream = (next.value as unknown as FutureHandle<unknown>).core;
          while (!addFuture(runs, upstream)) await whenCommitted(upstream);
        } else runs.add(next.value);
        if (runs.count === 1 || this.#done) core.running?.inputReady();
      }
    } catch (error) {
      this.#failed = { error };
      this.#done = true;
      core.running?.inputReady();
    } finally {
      this.#pumping = false;
    }
  }
}

/** The outcomes of another job, one by one, as they are committed: by reference. */
export class JobItemsInput implements JobInput {
  readonly #upstream: JobCore;
  readonly #runs: InputRuns;

  constructor(upstream: JobCore, context: InputContext) {
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
