import type { DriverPlan, HistoryPlan, JobPlan } from "./plan.ts";
import { NO_TROUBLE } from "./plan.ts";
import type { ComputeFaults, Fate } from "./sim-compute.ts";

const HEALTHY: ComputeFaults = {
  queue: 1,
  latencyMs: 1,
  throttled: 0,
  diesUnstarted: 0,
  reportLost: 0,
  reportTwice: 0,
  reportEarly: 0.2,
  slowWorker: 0,
  withdrawn: 0,
};

const JOB: JobPlan = {
  tasks: 12,
  stopOnFailure: false,
  retries: 2,
  retryErrors: 0,
  asksSlowly: false,
  idempotent: true,
  isolate: false,
  concurrency: undefined,
  batch: 3,
  timeoutMs: undefined,
  depth: 0,
  unloadable: false,
  input: { known: true, slow: false, throwsAt: undefined, upstreamFailed: new Set() },
  cancelAtMs: undefined,
  submitAtMs: 0,
  inlineOutcomeBytes: 0,
  fate: () => ({ kind: "value", ms: 1 }),
};

const fails =
  (index: number, kind: "throw" | "crash"): ((at: number) => Fate) =>
  (at) => ({ kind: at === index ? kind : "value", ms: 1 });

/** Small jobs whose driver is killed at every I/O boundary: before, in the middle of and after each write. */
export const KILL_SCENARIOS: Readonly<Record<string, Pick<HistoryPlan, "jobs"> & Partial<HistoryPlan>>> = {
  "a map": { jobs: [{ ...JOB, stopOnFailure: true }] },
  "a map whose task throws": { jobs: [{ ...JOB, stopOnFailure: true, fate: fails(7, "throw") }] },
  "a mapSettled with a poison task, drawn bit by bit": {
    jobs: [{ ...JOB, fate: fails(4, "crash"), input: { ...JOB.input, known: false } }],
    policy: { drawTasks: 4, retryMs: 1 },
  },
  "tasks that must not run twice": {
    jobs: [{ ...JOB, tasks: 6, idempotent: false, fate: fails(3, "crash") }],
  },
  "several runs in one journal": {
    jobs: [0, 1, 2].map((at) => ({
      ...JOB,
      tasks: 1,
      stopOnFailure: true,
      submitAtMs: at * 5,
      inlineOutcomeBytes: 1e6,
    })),
    sharedJournal: true,
  },
  "a map whose outcomes come inline, some of them failures": {
    jobs: [{ ...JOB, inlineOutcomeBytes: 1e6, retryErrors: 1, fate: fails(7, "throw") }],
  },
  "a map that is cancelled": {
    jobs: [{ ...JOB, stopOnFailure: true, cancelAtMs: 4, fate: () => ({ kind: "value", ms: 3 }) }],
  },
};

/**
 * The scenario with drivers that stop in the middle of their work, each at its own I/O boundary, and wake when a
 * successor has done it all: nobody had told them that they lead no more.
 */
export function pauseAt(
  scenario: string,
  boundaries: readonly number[],
  seed: number,
  segmented = false,
): HistoryPlan {
  const store = { delayMs: 2, appendFails: 0 };
  const calm: DriverPlan = { ...NO_TROUBLE, store };
  const drivers = boundaries.map((pauseAt) => ({ ...calm, pauseAt, successorAfterMs: 200 }));
  return { ...killAt(scenario, Number.POSITIVE_INFINITY, seed, 2, segmented), drivers: [...drivers, calm] };
}

/** The scenario with its driver killed at I/O boundary `killAt`; Infinity: never. The seed decides where writes tear. */
export function killAt(
  scenario: string,
  killAt: number,
  seed: number,
  delayMs: number,
  segmented = false,
): HistoryPlan {
  const store = { delayMs, appendFails: 0 };
  const calm: DriverPlan = { ...NO_TROUBLE, store };
  return {
    seed,
    sharedJournal: false,
    segmented,
    slots: 2,
    compute: HEALTHY,
    readerEveryMs: 5,
    policy: {},
    ...KILL_SCENARIOS[scenario]!,
    // Records that gather for long would leave few boundaries.
    ...(segmented ? { policy: { ...KILL_SCENARIOS[scenario]!.policy, gatherMs: 1, gatherMaxMs: 1 } } : {}),
    drivers: killAt === Number.POSITIVE_INFINITY ? [calm] : [{ ...calm, killAt }, calm],
  };
}
