import { seededRandom } from "../../src/clock.ts";
import { Run } from "../../src/job/entries.ts";
import type { JobState, JournalState } from "../../src/job/fold.ts";
import type { JournalHeader } from "../../src/job/records.ts";
import type { SchedulerEvent } from "../../src/scheduler/commands.ts";
import type { SchedulerState } from "../../src/scheduler/machine.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { DriverLife, type LedJob } from "./driver-life.ts";
import { type HistoryPlan, planHistory } from "./plan.ts";
import { ProcessStore, type StoreFaults } from "./sim-store.ts";
import type { System } from "./system.ts";
import { Violation, Witness } from "./witness.ts";
import { Dice, SimProcess, World } from "./world.ts";

const END_MS = 30 * 60_000;
const LINGER_MS = 500;
const MAX_EVENTS = 200_000;

export type StepWatcher = (state: SchedulerState, event: SchedulerEvent) => void;

export interface HistoryReport {
  readonly virtualMs: number;
  readonly events: number;
  /** I/O boundaries that the first driver passed. */
  readonly boundaries: number;
  readonly ends: readonly string[];
  /** Of each driver: jobs that it found led by another, and jobs that it hasn't ended. */
  readonly began: readonly boolean[];
  readonly drivers: readonly { readonly fenced: number; readonly open: number }[];
}

/**
 * Plays one history: jobs, drivers and their deaths, workers, readers; all from the seed.
 * @throws Violation saying what was wrong
 */
export async function playHistory(
  system: System,
  plan: HistoryPlan,
  onStep?: StepWatcher,
): Promise<HistoryReport> {
  return new History(system, plan, onStep).play();
}

/** Plays the histories of consecutive seeds; the first that fails is told with how to replay it. */
export async function playSeeds(
  system: System,
  firstSeed: number,
  count: number,
  onStep?: StepWatcher,
): Promise<void> {
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    try {
      await playHistory(system, planHistory(seed), onStep);
    } catch (error) {
      const how = `KINGLET_SIM_SEED=${seed} node scripts/with-node.mjs vitest run test/simulation/replay.test.ts`;
      throw new Violation(`seed ${seed}: ${(error as Error).message}\nreplay it with: ${how}`, {
        cause: error,
      });
    }
  }
}

class History {
  readonly world = new World();
  readonly system: System;
  readonly plan: HistoryPlan;
  readonly dice: Dice;
  readonly disk: ObjectStore;
  readonly jobs: LedJob[];
  readonly onStep: StepWatcher | undefined;
  #problem: Error | undefined;
  #lives: DriverLife[] = [];

  constructor(system: System, plan: HistoryPlan, onStep: StepWatcher | undefined) {
    this.system = system;
    this.plan = plan;
    this.onStep = onStep;
    this.dice = new Dice(seededRandom(plan.seed ^ 0x5eed));
    this.disk = system.memory.openMemoryStore();
    this.jobs = plan.jobs.map((job, i) => ({
      number: i,
      journalId: plan.sharedJournal ? "journal" : `journal-${i}`,
      plan: job,
      witness: new Witness(`job ${i}`, job, (problem) => this.fail(new Violation(problem))),
    }));
  }

  /** The first problem counts. */
  fail(error: Error): void {
    this.#problem ??= error;
  }

  async play(): Promise<HistoryReport> {
    this.#begin(0);
    this.#readNowAndThen();
    const limits = { endMs: this.world.nowMs + END_MS, events: MAX_EVENTS };
    const ended = await this.world.run(() => this.#problem !== undefined || this.#isOver(), limits);
    if (this.#problem) throw this.#problem;
    if (ended !== "done")
      throw new Violation(`it hangs: nothing ends it (${ended} after ${this.world.events} events)`);
    // Those that slept through it wake, and find that others lead.
    for (const life of this.#lives) life.process.wake();
    const lateMs = this.world.nowMs + LINGER_MS;
    await this.world.run(() => this.#problem !== undefined || this.world.nowMs > lateMs, limits);
    await this.#check();
    return {
      virtualMs: this.world.nowMs,
      events: this.world.events,
      boundaries: this.#lives[0]!.process.boundaries,
      drivers: this.#lives.map(({ fenced, open }) => ({ fenced, open })),
      began: this.#lives.map(({ begun }) => begun),
      ends: this.jobs.map(({ witness }) => witness.endSeen ?? "none"),
    };
  }

  /** The n-th driver begins; what ends it, or its time, brings the next. */
  #begin(n: number): void {
    const plan = this.plan.drivers[n];
    if (!plan || this.#lives.length > n) return;
    const life = new DriverLife(this, n, plan);
    this.#lives.push(life);
    const next = () => this.world.after(this.dice.int(1, 200), () => this.#begin(n + 1));
    life.process.onKilled = () => {
      life.compute.driverDied();
      next();
    };
    life.onTrouble = () => this.#replace(life, n, this.dice.int(1, 200));
    life.begin().catch((error) => {
      if (life.isLast) this.fail(error);
      else next();
    });
    if (plan.pauseAtMs !== undefined) {
      this.world.after(plan.pauseAtMs, () => {
        life.process.pause();
        this.world.after(plan.pauseMs, () => life.process.wake());
      });
    }
    if (plan.closeAtMs !== undefined) {
      this.world.after(plan.closeAtMs, () => life.process.deliver(() => life.close()));
    }
    if (plan.successorAfterMs !== undefined) this.#replace(life, n, plan.successorAfterMs);
  }

  /** The next driver comes though this one may live; not before it has begun, or it would come before its predecessor. */
  #replace(life: DriverLife, n: number, afterMs: number): void {
    this.world.after(afterMs, () => {
      if (life.begun) this.#begin(n + 1);
      else if (!life.process.dead) this.#replace(life, n, 20);
    });
  }

  /** The last driver that can begin has ended all jobs, and so have all that still lead any. */
  #isOver(): boolean {
    const last = this.#lives[this.#lives.length - 1]!;
    if (!last.begun || !last.allEnded) return false;
    if (last.isLast) return true;
    // Everything has ended well under this driver: its successors have nothing to do, unless it is to be replaced.
    const { successorAfterMs, closeAtMs } = last.plan;
    return successorAfterMs === undefined && closeAtMs === undefined && !last.inTrouble && !last.process.dead;
  }

  /** The common store, as a process sees it. */
  storeFor(process: SimProcess, faults: StoreFaults): ObjectStore {
    const late = this.plan.segmented ? this.world : undefined;
    return this.#withLogs(new ProcessStore(this.disk, process, faults, this.dice, late));
  }

  #withLogs(store: ObjectStore): ObjectStore {
    return this.plan.segmented ? this.system.segments.withSegmentedLogs(store) : store;
  }

  // — third parties

  #readNowAndThen(): void {
    const reader = new SimProcess(this.world, "reader");
    const store = this.storeFor(reader, { delayMs: 2, appendFails: 0 });
    const read = async () => {
      for (const id of new Set(this.jobs.map((job) => job.journalId))) await this.#readJournal(store, id);
    };
    let everyMs = this.plan.readerEveryMs;
    const again = () =>
      this.world.after((everyMs *= 1.3), () => {
        read()
          .catch((error) => this.fail(error))
          .finally(again);
      });
    again();
  }

  async #readJournal(store: ObjectStore, id: string): Promise<JournalState | undefined> {
    let state: JournalState;
    try {
      state = await this.system.reader.readJournal(store, id);
    } catch (error) {
      if ((error as { code?: string }).code === "NOT_FOUND") return undefined;
      throw error;
    }
    if (state.unsealed) return state; // its tail may not count, and it says so
    for (const job of this.jobs) {
      const folded = job.journalId === id ? state.jobs.get(job.number) : undefined;
      if (folded) await this.seeJob(store, job, folded);
    }
    return state;
  }

  /** Someone looks at what the store has of a job. */
  async seeJob(store: ObjectStore, job: LedJob, folded: JobState): Promise<void> {
    for (const { first, count, location, skipBytes } of folded.committed) {
      const { log, offsetBytes, lengthBytes } = location;
      const range = { offsetBytes: offsetBytes + 8 + skipBytes, lengthBytes: lengthBytes - 8 - skipBytes };
      const run = new Run(await store.get(`journals/${job.journalId}/${log}`, { range }));
      for (let i = first; i < first + count; i++) job.witness.see(run, i, "a reader");
    }
    if (folded.ended && folded.ended.state !== "broken") {
      job.witness.seeEnd(folded.ended.state, folded.committedCount, "a reader");
    }
  }

  /** When all is over: what the store says is what everybody saw, and everything that was promised is there. */
  async #check(): Promise<void> {
    if (this.#problem) throw this.#problem;
    for (const job of this.jobs) {
      const state = await this.#readJournal(this.#withLogs(this.disk), job.journalId);
      if (this.#problem) throw this.#problem;
      const folded = state?.jobs.get(job.number);
      if (!folded) {
        if (job.witness.seen.size > 0)
          throw new Violation(`job ${job.number} was seen, and isn't in the store`);
        continue; // its driver died before it was recorded: the user saw the call fail
      }
      // Its user saw the call fail; that its first record has arrived after all harms nobody.
      if (job.neverBegun && job.witness.seen.size === 0 && folded.committedCount === 0) continue;
      if (!folded.ended) throw new Violation(`job ${job.number} has no end in the store`);
      if (folded.ended.state === "done" && folded.committedCount !== folded.total) {
        throw new Violation(
          `job ${job.number} is done with ${folded.committedCount} outcomes of ${folded.total}`,
        );
      }
      if (folded.ended.state === "done" && job.plan.stopOnFailure && folded.failedCount > 0) {
        throw new Violation(`job ${job.number} is done, though a task failed`);
      }
      for (const index of job.witness.seen.keys()) {
        const decided = folded.committed.some(({ first, count }) => index >= first && index < first + count);
        if (!decided)
          throw new Violation(`task ${index} of job ${job.number} was seen, and has no outcome in the store`);
      }
    }
  }

  header(driverId: string): Omit<JournalHeader, "epoch" | "createdMs" | "format"> {
    return { kinglet: "0", node: "simulated", driverId };
  }
}

export type { History };
