import { REDUCE } from "./codec/graph/registry.ts";
import type { StartedProcess } from "./compute/local/start-process.ts";
import { resolvePoolOptions } from "./config.ts";
import type { Future } from "./future.ts";
import type { JobKind } from "./job/records.ts";
import type { Job } from "./job.ts";
import { type CallOptions, checkCallOptions, checkPoolOptions, type PoolOptions } from "./options.ts";
import { attachJob } from "./pool/attach.ts";
import { checkWorkerLimits, chooseBackend } from "./pool/backend.ts";
import { watchCancelRequests } from "./pool/cancel-requests.ts";
import { continueNamed, registerName } from "./pool/continue.ts";
import { newId } from "./pool/ids.ts";
import { inputFrom, singleInput } from "./pool/inputs.ts";
import { watchInterrupts } from "./pool/interrupts.ts";
import { FutureHandle, JobHandle, refuseCapture } from "./pool/job-handle.ts";
import type { Call } from "./pool/job-spec.ts";
import { answerNested } from "./pool/nested.ts";
import { checkRuntimeDependencies } from "./pool/runtime-dependencies.ts";
import { Session } from "./pool/session.ts";
import { startJob } from "./pool/start.ts";
import type { SliceOptions } from "./slices/options.ts";
import { homeOf } from "./slices/patterns.ts";
import type { PoolSlice } from "./slices/pool-slice.ts";
import { type SliceSet, sliceSet } from "./slices/slice-set.ts";
import { openStoreLate, parseStoreLocation } from "./storage/locate.ts";
import { type Broadcast, broadcast } from "./values/broadcast.ts";
import { captureCallable } from "./values/callable.ts";
import { FileSet } from "./values/pool-file.ts";
import { NamedStore } from "./values/stored-object.ts";
import type { TaskContext } from "./worker/context.ts";

/** The second argument of every task's function. */
export type Context = TaskContext<NestedPool, NamedStore>;

/** What an item is inside the function: a future's or job's value rather than the handle. */
export type Resolved<T> = T extends Future<infer V> ? V : T;

/** Items of a `map`: any iterable or async iterable, or a job (its results, one by one). A string is refused. */
export type MapItems<T> = (Iterable<T> | AsyncIterable<T>) & object;

/** The part of a pool that tasks have too, as `ctx.pool`: maps inside maps. */
export interface NestedPool {
  map<T, R>(
    fn: (item: Resolved<T>, ctx: Context) => R,
    items: MapItems<T>,
    options?: CallOptions,
  ): Job<Awaited<R>>;
  mapSettled<T, R>(
    fn: (item: Resolved<T>, ctx: Context) => R,
    items: MapItems<T>,
    options?: CallOptions,
  ): Job<PromiseSettledResult<Awaited<R>>>;
  run<T, R>(fn: (input: Resolved<T>, ctx: Context) => R, input: T, options?: CallOptions): Future<Awaited<R>>;
}

/** Workers, a store, and the calls that use them. Made by `openPool`. */
export interface Pool extends NestedPool, AsyncDisposable {
  /**
   * Calls `fn` once for every item, on the workers; starts at once. Stops on the first failure in time and cancels
   * the rest (`mapSettled` goes on).
   *
   * @param fn a function as you would write it for an array; what it captures travels by value, imports by reference.
   *   Or a module: `task(…)`, a URL or path whose default export is the function.
   * @throws CaptureError, UnserializableError, UsageError at once, before anything runs
   * @example const squares = await pool.map((n) => n * n, [1, 2, 3]);
   */
  map<T, R>(
    fn: (item: Resolved<T>, ctx: Context) => R,
    items: MapItems<T>,
    options?: CallOptions,
  ): Job<Awaited<R>>;
  map(module: string | URL, items: MapItems<unknown>, options?: CallOptions): Job<unknown>;

  /** As `map`, but goes on after failures: one `{ status, value | reason }` an item. */
  mapSettled<T, R>(
    fn: (item: Resolved<T>, ctx: Context) => R,
    items: MapItems<T>,
    options?: CallOptions,
  ): Job<PromiseSettledResult<Awaited<R>>>;
  mapSettled(
    module: string | URL,
    items: MapItems<unknown>,
    options?: CallOptions,
  ): Job<PromiseSettledResult<unknown>>;

  /** One task. A `Job` as input arrives as its array, a `Future` as its value; both without waiting here. */
  run<T, R>(fn: (input: RunInput<T>, ctx: Context) => R, input: T, options?: CallOptions): Future<Awaited<R>>;
  run<R>(fn: (input: undefined, ctx: Context) => R): Future<Awaited<R>>;
  run(module: string | URL, input?: unknown, options?: CallOptions): Future<unknown>;

  /** A view of this pool with other defaults; it shares the workers and the store. */
  with(options: PoolOptions): Pool;

  /**
   * A job of this store, perhaps of another process: its outcomes are read, and if its driver is gone, what is
   * missing runs here. If its driver lives, it is followed.
   * Errors (no such job, …) come when it is awaited.
   */
  attach<R = unknown>(id: string): Job<R>;

  /** Stores a value once, by content; each worker loads it once. Read-only: `captured.value` inside the function. */
  broadcast<T>(value: T): Broadcast<T>;

  /** Files as items: each task gets a handle and reads the bytes itself. */
  files(patterns: string | readonly string[]): AsyncIterable<import("./values/pool-file.ts").PoolFile>;

  /**
   * Big files in parts, as items: each task gets a handle and reads its records itself. Records are never cut.
   *
   * @param patterns paths and globs, relative to the current folder; `!` excludes
   * @throws UsageError BAD_ARGUMENT, BAD_OPTION, UNKNOWN_OPTION at once; BAD_ARGUMENT while drawing if nothing matches
   * @example const counts = await pool.map(count, pool.slices("logs/*.csv", { sliceBytes: 16 * 1024 * 1024 }));
   */
  slices(patterns: string | readonly string[], options?: SliceOptions): AsyncIterable<PoolSlice>;

  /** Named objects in the pool's store. */
  readonly store: NamedStore;

  /** Waits for the jobs that aren't detached, ends the workers, and throws the first failure that nobody observed. */
  close(options?: { cancel?: boolean }): Promise<void>;
}

export type RunInput<T> = T extends Job<infer V> ? V[] : Resolved<T>;

/**
 * Opens a pool: every core of this machine, objects under `./.kinglet`, unless options, environment or
 * `kinglet.config.ts` say otherwise.
 *
 * @throws UsageError for a bad option; StoreError if the store can't be used (unwritable, written by a newer Kinglet)
 * @example
 * const pool = openPool();
 * const lengths = await pool.map(async (url) => (await (await fetch(url)).text()).length, urls);
 * await pool.close();
 */
export function openPool(options?: PoolOptions): Pool {
  return openResolved(resolvePoolOptions(options));
}

/** `openPool` with options that are checked, and perhaps with the first worker's process, which then boots already. */
export function openResolved(options: PoolOptions, started?: StartedProcess): Pool {
  return new PoolView(openSession(options, started), options);
}

/** `openPool` on a backend that no option names. */
export function openOn(options: PoolOptions | undefined, choose: ChooseBackend): Pool {
  const resolved = resolvePoolOptions(options);
  return new PoolView(openSession(resolved, undefined, choose), resolved, undefined, choose);
}

type ChooseBackend = typeof chooseBackend;

function openSession(options: PoolOptions, started?: StartedProcess, choose = chooseBackend): Session {
  const durability = options.durability ?? "process";
  const location = parseStoreLocation(options.storage ?? ".kinglet", durability, options.aws?.region);
  const store = openStoreLate(location);
  const { compute, slots } = choose(options, location, store, started);
  const session = new Session({
    store,
    location,
    compute,
    slots,
    sync: durability === "fsync",
    logs: options.logs ?? true,
  });
  session.onRequest = (request, core, depth) => answerNested(session, request, core, depth);
  watchInterrupts(session);
  watchCancelRequests(session);
  return session;
}

class PoolView implements Pool {
  /** A captured pool would be another one in each worker: refused, with what to use instead. */
  readonly [REDUCE] = refuseCapture(
    "a pool",
    "Inside a task, use the pool of its context: (item, ctx) => ctx.pool.map(…).",
  );
  readonly #session: Session;
  readonly #defaults: PoolOptions;
  /** Options of calls that are given none. */
  readonly #callDefaults: CallOptions;
  readonly #choose: ChooseBackend;
  readonly store: NamedStore;

  constructor(
    session: Session,
    defaults: PoolOptions,
    callDefaults = withoutWorkers(defaults),
    choose: ChooseBackend = chooseBackend,
  ) {
    this.#session = session;
    this.#choose = choose;
    this.#defaults = defaults;
    this.#callDefaults = callDefaults;
    this.store = new NamedStore(session.location, session.store);
  }

  map(fn: unknown, items: unknown, options?: CallOptions): Job<never> {
    return this.#map("map", fn, items, options) as Job<never>;
  }

  mapSettled(fn: unknown, items: unknown, options?: CallOptions): Job<never> {
    return this.#map("mapSettled", fn, items, options) as Job<never>;
  }

  #map(
    kind: "map" | "mapSettled",
    fn: unknown,
    items: unknown,
    given: CallOptions | undefined,
  ): Job<unknown> {
    const elsewhere = this.#elsewhere(kind, given);
    if (elsewhere) return elsewhere[kind](fn as never, items as never, withoutOn(given)) as Job<unknown>;
    const call = this.#call(kind, fn, given);
    const session = this.#session;
    const named = call.options.name ? continueNamed(session, call) : undefined;
    const core = startJob(
      session,
      call,
      (job, ref) => inputFrom(items, session.inputContext(job, ref), named),
      () => this.#ownJournal(call, named !== undefined),
    );
    return new JobHandle(core);
  }

  #ownJournal(call: Call, named: boolean) {
    const session = this.#session;
    const journalId = newId(session.clock.nowMs());
    const open = () => session.openJournal(journalId);
    const journal = () => (named ? registerName(session, call, journalId).then(open) : open());
    return { ref: { journalId, number: 0 }, journal };
  }

  run(fn: unknown, input?: unknown, given?: CallOptions): Future<never> {
    const elsewhere = this.#elsewhere("run", given);
    if (elsewhere) return elsewhere.run(fn as never, input as never, withoutOn(given)) as Future<never>;
    const session = this.#session;
    const call = this.#call("run", fn, given);
    const named = call.options.name ? continueNamed(session, call) : undefined;
    const core = startJob(
      session,
      call,
      (job, ref) => singleInput(input, session.inputContext(job, ref), named),
      () => (named ? this.#ownJournal(call, true) : session.nextRun()),
    );
    return new FutureHandle<never>(core);
  }

  /** The pool of option `on`, unless it is this one. */
  #elsewhere(where: string, given: CallOptions | undefined): Pool | undefined {
    if (given?.on === undefined) return undefined;
    checkCallOptions(given, where);
    return given.on instanceof PoolView && given.on.#session === this.#session
      ? undefined
      : (given.on as Pool);
  }

  #call(kind: JobKind, fn: unknown, given: CallOptions | undefined): Call {
    this.#session.refuseIfClosed(kind);
    const options =
      given === undefined ? this.#callDefaults : { ...this.#callDefaults, ...checkCallOptions(given, kind) };
    const { compute } = this.#session;
    if (compute.maxTaskMs !== undefined || compute.memory) checkWorkerLimits(options, compute, kind);
    const captured = captureCallable(fn, kind, `pool.${kind}`);
    if (options.packages || options.files) checkRuntimeDependencies(options, kind);
    return { kind, captured, options, depth: 0 };
  }

  with(options: PoolOptions): Pool {
    const checked = checkPoolOptions(options, "with");
    const session = this.#session;
    if (NEED_WORKERS.some((option) => checked[option] !== undefined)) {
      const other = openSession({ ...this.#defaults, ...checked }, undefined, this.#choose);
      session.dependents.push(other);
      return new PoolView(other, { ...this.#defaults, ...checked }, undefined, this.#choose);
    }
    const callDefaults = { ...this.#callDefaults, ...checked };
    return new PoolView(session, { ...this.#defaults, ...checked }, callDefaults, this.#choose);
  }

  attach<R>(id: string): Job<R> {
    this.#session.refuseIfClosed("attach");
    return new JobHandle<R>(attachJob(this.#session, id));
  }

  broadcast<T>(value: T): Broadcast<T> {
    this.#session.refuseIfClosed("broadcast");
    const session = this.#session;
    session.code?.take(); // of others
    const handle = broadcast(session, value);
    session.code?.noteBroadcast(handle.key.slice(handle.key.indexOf("/") + 1));
    return handle;
  }

  files(patterns: string | readonly string[]): FileSet {
    return new FileSet(patterns, homeOf(this.#session.location), this.#session.code);
  }

  slices(patterns: string | readonly string[], options?: SliceOptions): SliceSet {
    return sliceSet(patterns, options, homeOf(this.#session.location), this.#session.code);
  }

  async close(options: { cancel?: boolean } = {}): Promise<void> {
    await this.#session.close(options.cancel ?? false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Options that other workers or another store are needed for. */
const NEED_WORKERS = ["storage", "compute", "aws", "durability"] as const;

const withoutOn = ({ on: _on, ...rest }: CallOptions = {}): CallOptions => rest;

/** The `concurrency` of `openPool` is its number of workers; that of a view or a call limits each call. */
const withoutWorkers = ({ concurrency: _workers, ...rest }: PoolOptions): CallOptions => rest;
