import type { CapturedFunction } from "../capture/contract.ts";
import { driverGraphLane } from "../capture/index.ts";
import { type Clock, type Random, systemClock } from "../clock.ts";
import { createCodec } from "../codec/codec.ts";
import type { Codec } from "../codec/contract.ts";
import type { ComputeBackend } from "../compute/contract.ts";
import { KingletError } from "../errors.ts";
import { FewMap } from "../few-map.ts";
import { createJournal, type Journal } from "../job/journal.ts";
import type { JobRef } from "../job/keys.ts";
import { functionKey } from "../job/keys.ts";
import type { JournalHeader } from "../job/records.ts";
import { chain } from "../maybe.ts";
import type { NestedRequest, Scheduler } from "../scheduler/contract.ts";
import { createScheduler } from "../scheduler/driver.ts";
import { policyFor } from "../scheduler/policy.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { StoreLocation } from "../storage/locate.ts";
import { setBroadcastCodec } from "../values/broadcast.ts";
import { registerHandles } from "../values/register.ts";
import { version } from "../version.ts";
import { deleteAll } from "./delete-all.ts";
import { newId } from "./ids.ts";
import type { InputContext } from "./inputs.ts";
import { unwatchInterrupts } from "./interrupts.ts";
import { codeFor, type PoolCode } from "./job-code.ts";
import type { JobCore } from "./job-handle.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { StorageCost } from "./storage-cost.ts";

/** Calls of `pool.run` that share a journal before the next one is begun, so that old ones can be cleaned. */
const RUNS_A_JOURNAL = 10_000;

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface SessionParts {
  readonly store: ObjectStore;
  readonly location: StoreLocation;
  readonly compute: ComputeBackend;
  readonly slots: number;
  readonly sync: boolean;
  /** Print tasks' console lines. */
  readonly logs: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** What the views of one pool (`pool.with`) have in common: the store, the workers, the scheduler, the open jobs. */
export class Session {
  readonly store: ObjectStore;
  readonly storageCost: StorageCost;
  readonly location: StoreLocation;
  readonly compute: ComputeBackend;
  readonly scheduler: Scheduler;
  readonly codec: Codec;
  /** Where workers don't see this machine's files. */
  readonly code: PoolCode | undefined;
  readonly clock: Clock;
  readonly slots: number;
  readonly sync: boolean;
  readonly logs: boolean;
  readonly driverId = newId(systemClock.nowMs());
  /** Jobs that haven't ended, by id. */
  readonly jobs = new FewMap<string, JobCore>();
  /** Jobs that failed; those nobody looked at are thrown by `close`. */
  readonly failures: JobCore[] = [];
  /** Sessions that views with another store or backend opened: they close with this one. */
  readonly dependents: Session[] = [];
  /** Journals of other drivers that this one took over. */
  readonly ledJournals = new Map<string, { readonly journal: Journal }>();
  /** Stores of values that calls may refer to (broadcasts): jobs wait for them. */
  readonly uploads = new Set<() => Promise<unknown>>();
  /** Jobs that running tasks asked for, by the attempt that waits for them. */
  readonly nested = new Map<number, Set<JobCore>>();
  onRequest: ((request: NestedRequest, core: JobCore, depth: number) => void) | undefined;
  #functions = new Map<string, MaybePromise<void>>();
  readonly #lease: LeaseKeeper;
  #runs: SharedJournal | undefined;
  #journals = new Set<Journal>();
  #closing: Promise<void> | undefined;
  #held = 0;
  /** Prefixes of journals that are deleted at the end. */
  readonly #forgotten = new Set<string>();
  readonly #kept = new Set<string>();
  readonly #keepAlive = setInterval(() => {}, LONGEST_TIMER_MS).unref();

  constructor(parts: SessionParts) {
    this.storageCost = new StorageCost(parts.store, parts.location);
    this.store = this.storageCost.store;
    this.location = parts.location;
    this.compute = parts.compute;
    this.slots = parts.slots;
    this.sync = parts.sync;
    this.logs = parts.logs;
    this.clock = parts.clock ?? systemClock;
    this.#lease = new LeaseKeeper(this.store, this.driverId, this.clock);
    registerHandles();
    const lane = driverGraphLane();
    this.codec = createCodec(lane);
    this.code = codeFor(parts, this.lease, lane);
    setBroadcastCodec(this.codec);
    this.scheduler = createScheduler({
      clock: this.clock,
      random: parts.random ?? Math.random,
      compute: parts.compute,
      slots: parts.slots,
      policy: policyFor(this.requestsCost, parts.compute.target !== undefined),
    });
  }

  /** A job begins: the process stays alive for it. */
  enter(core: JobCore): void {
    this.jobs.set(core.id, core);
    core.onHold = (holds) => this.#hold(holds ? 1 : -1);
    core.hold(true);
  }

  leave(core: JobCore): void {
    core.hold(false);
    this.jobs.delete(core.id);
  }

  /** Timers of retries and of followed jobs don't keep the event loop alive by themselves; unfinished jobs do. */
  #hold(change: 1 | -1): void {
    this.#held += change;
    if (this.#held > 0) this.#keepAlive.ref();
    else this.#keepAlive.unref();
  }

  /** @throws KingletError POOL_CLOSED */
  refuseIfClosed(call: string): void {
    if (!this.#closing) return;
    throw new KingletError("POOL_CLOSED", `${call}: the pool is closed`, {
      remedy: "Close it after the last call, or open another one.",
    });
  }

  inputContext(core: JobCore, ref: JobRef): InputContext {
    return {
      codec: this.codec,
      store: this.store,
      get dataPrefix() {
        return core.dataPrefix;
      },
      jobNumber: ref.number,
      core,
    };
  }

  /** This driver's lease: from then on it is known to live. */
  readonly lease = (): MaybePromise<void> => this.#lease.ensure();

  /** What must be in the store before a job may start: the lease, and values that it may refer to. */
  ready(): MaybePromise<void> {
    const lease = this.#lease.ensure();
    if (this.uploads.size === 0) return lease;
    return Promise.all([lease, ...[...this.uploads].map((upload) => upload())]).then(() => {});
  }

  /** Stores a captured function once; a promise only the first time. */
  storeFunction(captured: CapturedFunction): MaybePromise<void> {
    const known = this.#functions.get(captured.hash);
    if (known !== undefined || this.#functions.has(captured.hash)) return known;
    const put = this.store.put(functionKey(captured.hash), captured.bytes, { ifAbsent: true }).then(() => {
      this.#functions.set(captured.hash, undefined);
    });
    put.catch(() => this.#functions.delete(captured.hash));
    this.#functions.set(captured.hash, put);
    return put;
  }

  header(epoch: number): JournalHeader {
    return { ...this.identity, format: 1, epoch, createdMs: this.clock.nowMs() };
  }

  get identity() {
    return { kinglet: version, node: process.version, driverId: this.driverId };
  }

  /** A journal of its own, for a map. */
  openJournal(id: string): MaybePromise<Journal> {
    const journal = chain(this.#lease.ensure(), () =>
      createJournal({ store: this.store, id, header: this.header(0), sync: this.sync }),
    );
    return chain(journal, (opened) => {
      this.#journals.add(opened);
      return opened;
    });
  }

  /** Place of the next call of `run`: many share a journal, since a folder for each would cost more than the call. */
  nextRun(): { ref: JobRef; journal: () => MaybePromise<Journal> } {
    let runs = this.#runs;
    if (!runs || runs.next > RUNS_A_JOURNAL) {
      runs = { id: newId(this.clock.nowMs()), next: 1, journal: undefined };
      this.#runs = runs;
    }
    const shared = runs;
    const ref = { journalId: shared.id, number: shared.next++ };
    const open = (): MaybePromise<Journal> => {
      try {
        shared.journal ??= chain(this.openJournal(shared.id), (journal) => (shared.journal = journal));
      } catch (error) {
        this.#abandon(shared);
        throw error;
      }
      if (shared.journal instanceof Promise) shared.journal.catch(() => this.#abandon(shared));
      return shared.journal;
    };
    return { ref, journal: open };
  }

  /** The store is behind a server: what goes there takes its time. */
  get isRemote(): boolean {
    return this.location.kind !== "disk";
  }

  /** Each request to the store takes its time and its price (S3). */
  get requestsCost(): boolean {
    return this.store.capabilities.append === "emulated";
  }

  /** How long a write to the store takes, as far as that is known; 0 on this machine's disk. */
  get storeMs(): number {
    return this.isRemote ? this.#lease.writeMs : 0;
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Its journal could not be opened, and a log is never opened again: the next run begins another one. */
  #abandon(runs: SharedJournal): void {
    if (this.#runs === runs) this.#runs = undefined;
  }

  /** Nothing more can be written to the journal: runs go on in another one. */
  abandonJournal(journal: Journal): void {
    if (this.#runs?.id === journal.id) this.#runs = undefined;
  }

  /** This driver leads the journal from now on. */
  adopt(journal: Journal): void {
    this.#journals.add(journal);
    this.ledJournals.set(journal.id, { journal });
  }

  /** A job of the journal has ended. With `retain: "job"` it goes when the pool closes, unless another job stays. */
  retain(journal: Journal, stays: boolean): void {
    if (stays) this.#kept.add(journal.prefix);
    else this.#forgotten.add(journal.prefix);
  }

  async closeJournal(journal: Journal): Promise<void> {
    this.#journals.delete(journal);
    this.ledJournals.delete(journal.id);
    await journal.close();
  }

  /** Jobs that will have to be resumed if this process ends now. */
  unfinished(): { id: string; done: number; total: number | undefined; inputComplete: boolean }[] {
    return [...this.jobs.values()]
      .filter((core) => core.running)
      .map((core) => ({
        id: core.id,
        done: core.table.committed,
        total: core.total ?? core.running?.counts.total,
        inputComplete: core.running?.counts.total !== undefined,
      }));
  }

  /** Ctrl-C, and the process ends next: a job that is let go now must not reject, or the script would die of that. */
  leaving = false;

  /**
   * Ctrl-C: nothing more starts, workers end, unfinished jobs stay as they are in the store.
   * @param leaving the process ends next
   */
  async interrupt(leaving: boolean): Promise<void> {
    this.leaving = leaving;
    this.#closing ??= Promise.resolve();
    await this.#shutDown();
  }

  /**
   * Waits for the jobs that aren't detached, ends the workers, and throws the first failure that nobody observed.
   * Calling it again waits for the same end.
   */
  close(cancel: boolean): Promise<void> {
    this.#closing ??= this.#close(cancel);
    return this.#closing;
  }

  async #close(cancel: boolean): Promise<void> {
    for (const core of [...this.jobs.values()]) {
      if (core.detached) core.running?.release();
      else if (cancel) await core.cancel("the pool was closed");
      else {
        // Nobody may be reading: its results are stored all the same.
        if (core.demand === "unknown") core.want("all", false);
        await core.ended();
      }
    }
    const dependents = await Promise.allSettled(this.dependents.map((session) => session.close(cancel)));
    const unobserved = this.failures.filter((core) => !core.observed);
    const errors = await Promise.all(unobserved.map((core) => core.failure()));
    await this.#shutDown();
    if (errors.length > 0) throw errors[0];
    for (const one of dependents) if (one.status === "rejected") throw one.reason;
  }

  async #shutDown(): Promise<void> {
    unwatchInterrupts(this);
    clearInterval(this.#keepAlive);
    await this.scheduler.close();
    await this.compute.close();
    for (const journal of this.#journals) await journal.close();
    this.#journals.clear();
    for (const prefix of this.#forgotten) if (!this.#kept.has(prefix)) await deleteAll(this.store, prefix);
    await this.#lease.close();
    await this.store.close();
  }
}

interface SharedJournal {
  readonly id: string;
  next: number;
  journal: MaybePromise<Journal> | undefined;
}
