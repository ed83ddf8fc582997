import { ENTRY_FAILED, ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import type { Journal } from "../../src/job/journal.ts";
import { type JobRef, jobId } from "../../src/job/keys.ts";
import type { JobMeta } from "../../src/job/records.ts";
import type { Takeover } from "../../src/job/takeover.ts";
import type { DrawnInputs, JobInput, JobSpec, RunningJob, Scheduler } from "../../src/scheduler/driver.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import type { History } from "./history.ts";
import { checkInvariants } from "./invariants.ts";
import type { DriverPlan, JobPlan } from "./plan.ts";
import { SimCompute, type TaskScript } from "./sim-compute.ts";
import { DriverWitness, type Witness } from "./witness.ts";
import { type Dice, Killed, SimProcess } from "./world.ts";

/** A job as the whole history knows it. */
export interface LedJob {
  readonly number: number;
  readonly journalId: string;
  readonly plan: JobPlan;
  readonly witness: Witness;
  /** A driver that was to take it over found no journal: what its first driver had sent may still arrive. */
  neverBegun?: boolean;
}

/** One driver process from its start to its end: it starts the jobs, or takes them over from the one before. */
export class DriverLife {
  readonly history: History;
  readonly plan: DriverPlan;
  readonly process: SimProcess;
  readonly compute: SimCompute;
  readonly isLast: boolean;
  readonly #n: number;
  readonly #store: ObjectStore;
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #witnesses = new Map<string, DriverWitness>();
  /** Jobs of this driver that haven't ended. */
  open = 0;
  begun = false;
  inTrouble = false;
  /** Jobs that it found led by another. */
  fenced = 0;
  onTrouble: () => void = () => {};

  constructor(history: History, n: number, plan: DriverPlan) {
    const { world, dice, disk, system } = history;
    this.history = history;
    this.plan = plan;
    this.#n = n;
    this.#dice = dice;
    this.isLast = n === history.plan.drivers.length - 1;
    this.process = new SimProcess(world, `driver${n}`, plan.killAt);
    this.#store = history.storeFor(this.process, plan.store);
    this.compute = new SimCompute({
      world,
      driver: this.process,
      disk,
      dice,
      maxSlots: history.plan.slots,
      faults: history.plan.compute,
      scriptOf: (journalId, number) => this.#scriptOf(journalId, number),
      watcher: {
        starts: (invocation) =>
          this.#witnessOf(invocation.job).attemptStarts(invocation.first, invocation.count),
        ends: (invocation, end) => this.#witnessOf(invocation.job).attemptEnds(end),
        problem: (what) => history.fail(new Error(what)),
      },
    });
    this.#scheduler = system.driver.createScheduler({
      clock: this.process.clock,
      random: dice.random,
      compute: this.compute,
      policy: history.plan.policy,
      defer: (callback) => void this.process.after(0, callback),
      probe: {
        before: (state, event) => history.onStep?.(state, event),
        after: (state) => {
          if (!this.process.dead) checkInvariants(state);
        },
      },
    });
  }

  get allEnded(): boolean {
    return this.open === 0;
  }

  async begin(): Promise<void> {
    try {
      if (this.#n === 0) await this.#startAll();
      else await this.#takeAllOver();
      this.begun = true;
      this.process.pauseAfter(this.plan.pauseAt);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }

  #scriptOf(journalId: string, number: number): TaskScript {
    const job = this.history.jobs.find((one) => one.journalId === journalId && one.number === number)!;
    return {
      fate: job.plan.fate,
      started: (index) => job.witness.started(index),
      unloadable: job.plan.unloadable,
    };
  }

  #witnessOf(ref: JobRef): DriverWitness {
    return this.#witnesses.get(jobId(ref))!;
  }

  // — the first driver

  async #startAll(): Promise<void> {
    const { system, jobs } = this.history;
    const journals = new Map<string, Journal>();
    for (const job of jobs) {
      this.open += 1;
      if (journals.has(job.journalId)) continue;
      const header = { ...this.history.header("driver0"), format: 1, epoch: 0, createdMs: 0 } as const;
      const options = { store: this.#store, id: job.journalId, header };
      journals.set(job.journalId, await system.journal.createJournal(options));
    }
    for (const job of jobs) {
      this.process.after(job.plan.submitAtMs, () => this.#submitNew(job, journals.get(job.journalId)!));
    }
  }

  #submitNew(job: LedJob, journal: Journal): void {
    const { plan } = job;
    const meta: JobMeta = {
      number: job.number,
      kind: plan.stopOnFailure ? "map" : "mapSettled",
      functionHash: "f",
      functionName: "f",
      functionLocation: "",
      createdMs: 0,
      options: { idempotent: plan.idempotent },
    };
    const input = new ScriptedInput(this.process, this.#dice, job);
    this.#submit(job, journal, { input, opening: [{ type: "job", job: meta }] }, []);
  }

  // — its successors

  async #takeAllOver(): Promise<void> {
    const { history } = this;
    const { system } = history;
    this.open = history.jobs.length;
    for (const id of new Set(history.jobs.map((job) => job.journalId))) {
      const mine = history.jobs.filter((job) => job.journalId === id);
      const taken = await this.#takeOver(id);
      if (!taken) {
        this.open -= mine.length;
        for (const job of mine) job.neverBegun = true;
        continue;
      }
      for (const job of mine) {
        const state = taken.state.jobs.get(job.number);
        if (!state || state.ended) {
          this.open -= 1;
          continue;
        }
        const parts = await system.resume.resumeParts(taken.journal, taken.state, state);
        // What was recorded is shown to the user at once.
        await this.history.seeJob(this.#store, job, state);
        const { input, settled, adopted } = parts;
        this.#submit(job, taken.journal, { input, settled, adopted }, settled.ranges);
      }
    }
  }

  /** Another driver may be quicker: the last one then takes over from it in turn. */
  async #takeOver(id: string): Promise<Takeover | undefined> {
    const { history, process } = this;
    const self = history.header(`driver${this.#n}`);
    // A log of segments is there only with its first record: its driver may be about to write it.
    let patience = this.isLast && history.plan.segmented ? 100 : 0;
    for (;;) {
      try {
        return await history.system.takeover.takeOver(this.#store, id, self, process.clock, { force: true });
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === "NOT_FOUND" && patience-- <= 0) return undefined;
        if ((code !== "JOB_LED_ELSEWHERE" && code !== "NOT_FOUND") || !this.isLast) throw error;
        await new Promise<void>((resolve) => process.after(10, resolve));
      }
    }
  }

  #submit(
    job: LedJob,
    journal: Journal,
    parts: Pick<JobSpec, "input"> & Partial<JobSpec>,
    settled: readonly number[],
  ): void {
    const { plan, witness } = job;
    const indexes: number[] = [];
    for (let i = 0; i < settled.length; i += 2)
      for (let j = settled[i]!; j < settled[i + 1]!; j++) indexes.push(j);
    const mine = new DriverWitness(witness, `driver ${this.#n}`, indexes);
    const ref = { journalId: job.journalId, number: job.number };
    this.#witnesses.set(jobId(ref), mine);
    let running: RunningJob | undefined;
    const alive = (action: () => void) => {
      if (!this.process.dead) action();
    };
    running = this.#scheduler.submit({
      ref,
      journal,
      functionKey: "functions/f",
      options: optionsOf(plan),
      stopOnFailure: plan.stopOnFailure,
      ...parts,
      shouldRetry: (_entry, _index, tries) => {
        const may = tries <= plan.retryErrors;
        if (!plan.asksSlowly) return may;
        return new Promise((resolve) => this.process.after(this.#dice.int(0, 5), () => resolve(may)));
      },
      onOutcomes: (run, first, count) => alive(() => mine.outcomes(run, first, count)),
      onRequest: (request) => {
        // At once or late, once or twice: nested jobs come as they like.
        const soonOrLate = () => this.#dice.pick([0, 0, 20, 150]);
        this.process.after(soonOrLate(), () => request.waiting());
        if (this.#dice.chance(0.3)) this.process.after(soonOrLate(), () => request.waiting());
        this.process.after(this.#dice.int(0, 200), () => {
          request.resumed();
          request.reply(Buffer.of());
        });
      },
      onEnded: (end) =>
        alive(() => {
          this.open -= 1;
          // Who comes too late changes nothing.
          if (this.#dice.chance(0.1)) this.process.after(1, () => running?.release());
          if (this.#dice.chance(0.1)) this.process.after(1, () => running?.cancel("too late"));
          mine.end(end.state, end.failedIndex, running?.counts.drawn ?? plan.tasks);
          if (end.state === "fenced") this.fenced += 1;
          if (end.state === "fenced" || end.state === "broken" || end.state === "released")
            this.#trouble(end.error);
        }),
    });
    const ready = running;
    if (parts.input instanceof ScriptedInput) parts.input.onReady = () => ready.inputReady();
    if (this.#dice.chance(0.2)) this.process.after(this.#dice.int(0, 50), () => ready.inputReady());
    this.#cancelLater(job, mine, ready);
  }

  #trouble(error: unknown): void {
    this.inTrouble = true;
    if (this.isLast)
      this.history.fail(
        new Error("the last driver had trouble, though nothing went wrong", { cause: error }),
      );
    else this.onTrouble();
  }

  /** The pool is closed: what isn't done is left to whoever comes. */
  close(): void {
    if (this.process.dead) return;
    this.#scheduler.close().then(() => this.process.kill());
  }

  #cancelLater(job: LedJob, mine: DriverWitness, running: RunningJob): void {
    if (job.plan.cancelAtMs === undefined) return;
    this.process.after(job.plan.cancelAtMs, () => {
      if (mine.ended) return;
      mine.cancel();
      running.cancel("simulated");
    });
  }
}

function optionsOf(plan: JobPlan): JobSpec["options"] {
  const { retries, idempotent, isolate, concurrency, batch, timeoutMs, depth, inlineOutcomeBytes } = plan;
  return {
    retries,
    idempotent,
    isolate,
    depth,
    inlineOutcomeBytes,
    ...(concurrency !== undefined ? { concurrency } : {}),
    ...(batch !== undefined ? { batch } : {}),
    ...(timeoutMs !== undefined ? { timeoutMs } : {}),
  };
}

/** The items of a job, as its plan says: at once or slowly, whole or failing half-way. */
class ScriptedInput implements JobInput {
  readonly knownLength: number | undefined;
  readonly #process: SimProcess;
  readonly #dice: Dice;
  readonly #job: LedJob;
  #next = 0;
  onReady: () => void = () => {};

  constructor(process: SimProcess, dice: Dice, job: LedJob) {
    this.#process = process;
    this.#dice = dice;
    this.#job = job;
    this.knownLength = job.plan.input.known ? job.plan.tasks : undefined;
  }

  draw(maxTasks: number): DrawnInputs | Promise<DrawnInputs> {
    const { slow } = this.#job.plan.input;
    if (slow && this.#dice.chance(0.4)) {
      this.#process.after(this.#dice.int(0, 20), () => this.onReady());
      return { count: 0, done: false };
    }
    if (slow && this.#dice.chance(0.5)) {
      return new Promise((resolve, reject) => {
        this.#process.after(this.#dice.int(0, 10), () => {
          try {
            resolve(this.#drawNow(maxTasks));
          } catch (error) {
            reject(error);
          }
        });
      });
    }
    return this.#drawNow(maxTasks);
  }

  #drawNow(maxTasks: number): DrawnInputs {
    const { tasks, input } = this.#job.plan;
    const first = this.#next;
    const end = Math.min(tasks, first + maxTasks, input.throwsAt ?? tasks);
    if (first === input.throwsAt) throw new Error("simulated: the input throws");
    this.#next = end;
    const done = end === tasks && input.throwsAt === undefined;
    if (end === first) return { count: 0, done };
    const run = new RunBuilder({ jobNumber: this.#job.number, attempt: 0, first });
    for (let i = first; i < end; i++) {
      if (input.upstreamFailed.has(i)) {
        const failure = { kind: "upstream-failed", message: "simulated", attempts: 0 };
        run.add(ENTRY_FAILED, [Buffer.from(JSON.stringify(failure))]);
      } else run.add(ENTRY_VALUE, [Buffer.from(`input ${i}`)]);
    }
    return { run: Buffer.concat(run.finish()), count: end - first, done };
  }
}
