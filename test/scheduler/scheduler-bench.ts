import { seededRandom } from "../../src/clock.ts";
import type { AttemptEnd, ComputePrices, Invocation } from "../../src/compute/contract.ts";
import {
  ENTRY_FAILED,
  ENTRY_THREW,
  ENTRY_VALUE,
  type FailedOutcome,
  RunBuilder,
} from "../../src/job/entries.ts";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import {
  createScheduler,
  type JobEnd,
  type JobInput,
  type JobSpec,
  type RunningJob,
  type Scheduler,
} from "../../src/scheduler/driver.ts";
import type { JobEvent } from "../../src/scheduler/events.ts";
import type { Policy } from "../../src/scheduler/policy.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { checkInvariants } from "../simulation/invariants.ts";
import { type ComputeFaults, type Fate, SimCompute } from "../simulation/sim-compute.ts";
import { Dice, SimProcess, World } from "../simulation/world.ts";

/** Faultless workers; a report at the end of each batch. */
const HEALTHY: ComputeFaults = {
  queue: 0,
  latencyMs: 0,
  throttled: 0,
  diesUnstarted: 0,
  reportLost: 0,
  reportTwice: 0,
  reportEarly: 0,
  slowWorker: 0,
  withdrawn: 0,
};

export interface TestJob {
  readonly running: RunningJob;
  /** What was shown of each task: `value`, `threw`, or the kind of its failure. */
  readonly outcomes: string[];
  readonly failures: (FailedOutcome | undefined)[];
  /** How often a worker started each task. */
  readonly starts: number[];
  readonly events: JobEvent[];
  end: JobEnd | undefined;
}

export interface TestJobOptions extends Partial<Omit<JobSpec, "input">> {
  readonly tasks?: number;
  readonly input?: JobInput;
  /** Per task, what becomes of it on each try; the last one holds for further tries. Others return a value. */
  readonly fates?: Readonly<Record<number, readonly (Fate["kind"] | Fate)[]>>;
  /** Of tasks without a fate. Default 1. */
  readonly taskMs?: number;
  readonly unloadable?: boolean;
}

/** A scheduler with simulated workers in virtual time, for one test. */
export class SchedulerBench {
  readonly world = new World();
  readonly process: SimProcess;
  readonly store: ObjectStore;
  readonly compute: SimCompute;
  readonly scheduler: Scheduler;
  /** Attempts in the order in which the backend got them, and how they ended. */
  readonly attempts: {
    readonly invocation: Invocation;
    end: AttemptEnd | undefined;
    readonly atMs: number;
  }[] = [];
  readonly #scripts = new Map<
    number,
    { fate(index: number, tries: number): Fate; started(index: number): number; unloadable: boolean }
  >();
  #journal: Journal | undefined;
  #nextJob = 0;

  constructor(
    options: {
      readonly slots?: number;
      readonly faults?: Partial<ComputeFaults>;
      readonly policy?: Partial<Policy>;
      readonly store?: ObjectStore;
      readonly name?: string;
      readonly memory?: { readonly defaultMb: number; readonly maxMb: number };
      /** Workers cost something, and have SIM_MEMORY_MB. */
      readonly prices?: ComputePrices;
      /** The most workers at a time; their waiting tasks take guests. */
      readonly quota?: number;
      /** The most slots, lent ones included. */
      readonly mostSlots?: number;
      readonly seed?: number;
    } = {},
  ) {
    this.process = new SimProcess(this.world, options.name ?? "driver");
    this.store = options.store ?? openMemoryStore();
    const dice = new Dice(seededRandom(options.seed ?? 1));
    this.compute = new SimCompute({
      world: this.world,
      driver: this.process,
      disk: this.store,
      dice,
      maxSlots: options.slots ?? 2,
      faults: { ...HEALTHY, ...options.faults },
      quota: options.quota,
      mostSlots: options.mostSlots,
      ...(options.memory ? { memory: options.memory } : {}),
      ...(options.prices ? { prices: options.prices } : {}),
      scriptOf: (_journal, number) => this.#scripts.get(number)!,
      watcher: {
        starts: (invocation) => this.attempts.push({ invocation, end: undefined, atMs: this.world.nowMs }),
        ends: ({ attempt }, end) => {
          const found = this.attempts.find((one) => one.invocation.attempt === attempt);
          if (found) found.end = end;
        },
        problem: (what) => {
          throw new Error(what);
        },
      },
    });
    this.scheduler = createScheduler({
      clock: this.process.clock,
      random: seededRandom((options.seed ?? 1) + 1),
      compute: this.compute,
      defer: (callback) => void this.process.after(0, callback),
      probe: { before: () => {}, after: checkInvariants },
      ...(options.policy ? { policy: options.policy } : {}),
    });
  }

  async journal(): Promise<Journal> {
    const header = { format: 1, kinglet: "0", node: "", driverId: "d", epoch: 0, createdMs: 0 } as const;
    this.#journal ??= await createJournal({ store: this.store, id: "journal", header });
    return this.#journal;
  }

  async submit(options: TestJobOptions): Promise<TestJob> {
    const number = this.#nextJob++;
    const { tasks = 1, fates = {}, taskMs = 1, unloadable = false, ...spec } = options;
    const starts: number[] = [];
    this.#scripts.set(number, {
      fate: (index, tries) => {
        const fate = fates[index]?.[Math.min(tries, fates[index].length) - 1] ?? "value";
        return typeof fate === "string" ? ({ kind: fate, ms: taskMs } as Fate) : fate;
      },
      started: (index) => (starts[index] = (starts[index] ?? 0) + 1),
      unloadable,
    });
    const job: { -readonly [K in keyof TestJob]: TestJob[K] } = {
      running: undefined as never,
      outcomes: [],
      failures: [],
      starts,
      events: [],
      end: undefined,
    };
    job.running = this.scheduler.submit({
      ref: { journalId: "journal", number },
      journal: spec.journal ?? (await this.journal()),
      functionKey: "functions/f",
      options: {},
      stopOnFailure: false,
      input: listInput(number, tasks),
      opening: [{ type: "job", job: metaOf(number) }],
      onEvent: (event) => job.events.push(event),
      ...spec,
      onOutcomes: (run, first, count, location, skipBytes) => {
        for (let index = first; index < first + count; index++) {
          if (job.outcomes[index] !== undefined) throw new Error(`task ${index} was shown twice`);
          const { kind, body } = run.entry(index);
          const failure =
            kind === ENTRY_FAILED ? (JSON.parse(Buffer.from(body).toString()) as FailedOutcome) : undefined;
          job.failures[index] = failure;
          job.outcomes[index] = failure?.kind ?? (kind === ENTRY_THREW ? "threw" : "value");
        }
        spec.onOutcomes?.(run, first, count, location, skipBytes);
      },
      onEnded: (end) => {
        job.end = end;
        spec.onEnded?.(end);
      },
    });
    return job;
  }

  /** Runs until the jobs have ended. */
  async run(...jobs: readonly TestJob[]): Promise<void> {
    const limits = { endMs: this.world.nowMs + 3_600_000, events: 1_000_000 };
    const ended = await this.world.run(() => jobs.every((job) => job.end), limits);
    if (ended !== "done") throw new Error(`the jobs hang (${ended})`);
  }

  /** Runs for a while of virtual time. */
  async pass(ms: number): Promise<void> {
    const endMs = this.world.nowMs + ms;
    let over = false;
    this.world.after(ms, () => {
      over = true;
    });
    await this.world.run(() => over, { endMs: endMs + 1, events: 1_000_000 });
  }
}

export function metaOf(number: number) {
  const nothing = { functionHash: "", functionName: "", functionLocation: "", createdMs: 0, options: {} };
  return { number, kind: "map" as const, ...nothing };
}

/** `count` inputs from `first` on, as the simulated workers expect them. */
export function inputRun(jobNumber: number, first: number, count: number, padBytes = 0): Uint8Array {
  const run = new RunBuilder({ jobNumber, attempt: 0, first });
  for (let i = first; i < first + count; i++) {
    const body = Buffer.from(`input ${i}`);
    run.add(ENTRY_VALUE, padBytes > 0 ? [body, Buffer.alloc(padBytes)] : [body]);
  }
  return Buffer.concat(run.finish());
}

export function listInput(
  jobNumber: number,
  tasks: number,
  knownLength: number | undefined = tasks,
): JobInput {
  let next = 0;
  return {
    knownLength,
    draw: (maxTasks) => {
      const first = next;
      const count = Math.min(maxTasks, tasks - first);
      next += count;
      const done = next === tasks;
      return count > 0 ? { run: inputRun(jobNumber, first, count), count, done } : { count: 0, done };
    },
  };
}
