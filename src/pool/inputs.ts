import { UsageError } from "../errors.ts";
import { isFuture, isJob } from "../future.ts";
import { show } from "../options.ts";
import type { DrawnInputs, JobInput } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import { ContinuedInput, type NamedOutcomes } from "./continue.ts";
import { type InputContext, InputRuns } from "./input-runs.ts";
import { PackagedInput } from "./job-code.ts";
import type { FutureHandle, JobHandle } from "./job-handle.ts";
import { addFuture, whenCommitted } from "./upstream.ts";
import { JobItemsInput, SingleInput } from "./upstream-inputs.ts";

export type { InputContext } from "./input-runs.ts";

/** An input that says how far it is: for `retain: "consumed"`. */
export interface EncodedInput {
  /** Items that were encoded so far, drawn or not. */
  readonly encodedTasks: number;
  readonly encodedBytes: number;
  /** Big ones are stored at once, as objects: all of those are below this index. */
  readonly storedEnd: number;
}

/** Items of an array up to which all are encoded before the call returns, so that a bad one is an error at once. */
const CHECKED_AT_ONCE = 10_000;
const CHECKED_BYTES = 64 * 1024 * 1024;
const CHUNK_TASKS = 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Where each chunk is a request. */
const REMOTE_CHUNK_TASKS = 8192;
const REMOTE_CHUNK_BYTES = 4 * 1024 * 1024;
/** Where items are drawn only as results are taken. */
const SPARING_CHUNK_TASKS = 128;
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
export class ItemsInput implements JobInput, EncodedInput {
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
      const count = this.#fill(...this.#chunkSize);
      if (count > 0) this.#checked.push({ run: this.#runs.take(), count });
    }
  }

  get #chunkSize(): [tasks: number, sizeBytes: number] {
    const { core, store } = this.#runs.context;
    if (core.isSparing) return [SPARING_CHUNK_TASKS, CHUNK_BYTES];
    const remote = store.capabilities.append === "emulated";
    return remote ? [REMOTE_CHUNK_TASKS, REMOTE_CHUNK_BYTES] : [CHUNK_TASKS, CHUNK_BYTES];
  }

  draw(maxTasks: number, maxBytes: number): MaybePromise<DrawnInputs> {
    const { core } = this.#runs.context;
    const isEager = this.knownLength !== undefined && !core.isSparing;
    const encodedAhead = this.#checked.reduce((sum, { count }) => sum + count, 0);
    const room = isEager ? maxTasks : core.drawRoom(this.#runs.index - encodedAhead);
    if (room === 0) return { count: 0, done: false };
    const ready = this.#checked.shift();
    if (ready) return this.#drawn(ready.run, ready.count);
    const count = this.#fill(Math.min(maxTasks, room), maxBytes);
    return count > 0 ? this.#drawn(this.#runs.take(), count) : { count: 0, done: this.#done };
  }

  get encodedTasks(): number {
    return this.#runs.index;
  }

  get encodedBytes(): number {
    return this.#runs.bytes;
  }

  get storedEnd(): number {
    return this.#runs.storedEnd;
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
export class PumpedInput implements JobInput, EncodedInput {
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

  get encodedTasks(): number {
    return this.#runs.index;
  }

  get encodedBytes(): number {
    return this.#runs.bytes;
  }

  get storedEnd(): number {
    return this.#runs.storedEnd;
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
