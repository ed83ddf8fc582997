import { seededRandom } from "../../src/clock.ts";
import type { Policy } from "../../src/scheduler/policy.ts";
import type { ComputeFaults, Fate } from "./sim-compute.ts";
import type { StoreFaults } from "./sim-store.ts";
import { Dice } from "./world.ts";

/** How the items of a job come. */
export interface InputPlan {
  readonly known: boolean;
  /** Draws that answer later, or find nothing for a while. */
  readonly slow: boolean;
  readonly throwsAt: number | undefined;
  readonly upstreamFailed: ReadonlySet<number>;
}

export interface JobPlan {
  readonly tasks: number;
  readonly stopOnFailure: boolean;
  readonly retries: number;
  readonly retryErrors: number;
  /** `shouldRetry` answers with a promise. */
  readonly asksSlowly: boolean;
  readonly idempotent: boolean;
  readonly isolate: boolean;
  readonly concurrency: number | undefined;
  readonly batch: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly depth: number;
  readonly unloadable: boolean;
  readonly input: InputPlan;
  readonly cancelAtMs: number | undefined;
  readonly submitAtMs: number;
  /** 0, some, or any length: none of its reports is written by a worker, some, or all. */
  readonly inlineOutcomeBytes: number;
  fate(index: number, tries: number): Fate;
}

/** One driver after the other; the last one has no trouble, so that everything must end with it. */
export interface DriverPlan {
  /** Dies at this I/O boundary. */
  readonly killAt: number;
  /** Stops so many I/O boundaries after its beginning until everything is over, and wakes then. */
  readonly pauseAt: number;
  /** Stops for a while at this time; the next driver may lead when it wakes. */
  readonly pauseAtMs: number | undefined;
  readonly pauseMs: number;
  /** Closes at this time; its jobs are left to the next driver. */
  readonly closeAtMs: number | undefined;
  /** The next driver takes over so long after this one began, though it may live. */
  readonly successorAfterMs: number | undefined;
  readonly store: StoreFaults;
}

export interface HistoryPlan {
  readonly seed: number;
  readonly jobs: readonly JobPlan[];
  /** All jobs in one journal, as calls of `pool.run`. */
  readonly sharedJournal: boolean;
  /** The store can't append: logs are rows of segments, and what is put may arrive when its sender is dead. */
  readonly segmented: boolean;
  readonly slots: number;
  readonly compute: ComputeFaults;
  readonly drivers: readonly DriverPlan[];
  readonly readerEveryMs: number;
  readonly policy: Partial<Policy>;
}

/** Small figures, so that little jobs meet every rule. */
const QUICK_POLICY: Partial<Policy> = {
  drawTasks: 8,
  aheadTasks: 10,
  holdMs: 20,
  releaseMs: 40,
  backupMs: 100,
  checkMs: 10,
  retryMs: 5,
  retryMaxMs: 100,
  barrenAttempts: 20,
  throttledAttempts: 30,
  throttleMs: 20,
  gatherMs: 10,
};

/** A history from its seed, and nothing else. */
export function planHistory(seed: number): HistoryPlan {
  const dice = new Dice(seededRandom(seed));
  const calm = dice.chance(0.3);
  const rate = (most: number) => (calm || dice.chance(0.5) ? 0 : dice.random() * most);
  const drivers = dice.pick([1, 1, 2, 2, 3]);
  return {
    seed,
    jobs: Array.from({ length: dice.pick([1, 1, 1, 2, 4]) }, () => planJob(dice)),
    sharedJournal: dice.chance(0.4),
    slots: dice.pick([1, 2, 2, 3, 8]),
    compute: {
      queue: dice.pick([0, 1, 1, 2]),
      latencyMs: dice.pick([0, 1, 5]),
      throttled: rate(0.3),
      diesUnstarted: rate(0.2),
      reportLost: rate(0.1),
      reportTwice: rate(0.3),
      reportEarly: 0.2,
      slowWorker: rate(0.4),
      withdrawn: rate(0.8),
      // Of dice of its own: histories of before stay as they were.
      killedWhole: new Dice(seededRandom(seed ^ 0x5eed)).pick([0, 0, 0.5, 1]),
    },
    drivers: Array.from({ length: drivers }, (_, i) => planDriver(dice, i === drivers - 1)),
    readerEveryMs: dice.pick([7, 50, 400]),
    policy: dice.chance(0.8) ? QUICK_POLICY : {},
    segmented: dice.chance(0.15),
  };
}

/** A driver that nothing happens to. */
export const NO_TROUBLE = {
  killAt: Number.POSITIVE_INFINITY,
  pauseAt: Number.POSITIVE_INFINITY,
  pauseAtMs: undefined,
  pauseMs: 0,
  closeAtMs: undefined,
  successorAfterMs: undefined,
};

function planDriver(dice: Dice, last: boolean): DriverPlan {
  const delayMs = dice.pick([0, 0, 0, 3]);
  if (last) {
    const store = { delayMs, appendFails: 0 };
    return { ...NO_TROUBLE, store };
  }
  const how = dice.pick(["killed", "killed", "paused", "rivals", "broken", "closed"] as const);
  return {
    killAt: how === "killed" ? dice.int(0, dice.pick([20, 60, 200])) : Number.POSITIVE_INFINITY,
    pauseAt: Number.POSITIVE_INFINITY,
    pauseAtMs: how === "paused" ? dice.int(0, 100) : undefined,
    pauseMs: dice.int(1, 600),
    closeAtMs: how === "closed" ? dice.int(0, 200) : undefined,
    successorAfterMs: how === "paused" || how === "rivals" ? dice.int(0, 300) : undefined,
    store: { delayMs, appendFails: how === "broken" ? 0.1 : 0 },
  };
}

function planJob(dice: Dice): JobPlan {
  const tasks = dice.pick([0, 1, 1, 5, 12, 30, 60]);
  const timeoutMs = dice.chance(0.3) ? dice.int(20, 100) : undefined;
  const timid = dice.chance(0.5);
  return {
    tasks,
    stopOnFailure: dice.chance(0.5),
    retries: dice.int(0, 3),
    retryErrors: dice.pick([0, 0, 1, 3]),
    asksSlowly: dice.chance(0.3),
    idempotent: dice.chance(0.8),
    isolate: dice.chance(0.1),
    concurrency: dice.pick([undefined, undefined, 1, 2]),
    batch: dice.pick([undefined, undefined, undefined, 1, 4, 100]),
    timeoutMs,
    depth: dice.pick([0, 0, 0, 1]),
    unloadable: dice.chance(0.02),
    input: planInput(dice, tasks),
    cancelAtMs: dice.chance(0.15) ? dice.int(0, dice.pick([3, 150])) : undefined,
    submitAtMs: dice.pick([0, 0, dice.int(0, 50)]),
    fate: planFates(dice, timeoutMs, timid),
    inlineOutcomeBytes: dice.pick([0, 0, 80, 1e6]),
  };
}

function planInput(dice: Dice, tasks: number): InputPlan {
  const upstreamFailed = new Set<number>();
  const failing = dice.chance(0.1) ? 0.1 : 0;
  for (let i = 0; i < tasks; i++) if (dice.chance(failing)) upstreamFailed.add(i);
  return {
    known: dice.chance(0.6),
    slow: dice.chance(0.3),
    throwsAt: dice.chance(0.04) ? dice.int(0, tasks) : undefined,
    upstreamFailed,
  };
}

const NESTED = ["waits", "goes on", "goes on", "crashes"] as const;

function planFates(dice: Dice, timeoutMs: number | undefined, timid: boolean): JobPlan["fate"] {
  const salt = dice.int(0, 1e9);
  const baseMs = dice.pick([0, 0.01, 1, 10]);
  const p = timid ? 0 : dice.random() * 0.15;
  const nested = dice.chance(0.1) ? 0.3 : p * 0.2;
  return (index, tries) => {
    // What a task is like depends on the task, so that a poison stays one; its mishaps on the try as well.
    const task = new Dice(seededRandom(salt + index * 7919));
    const attempt = new Dice(seededRandom(salt + index * 7919 + tries * 104_729));
    const ms = baseMs * (task.chance(0.03) ? 100 : 0.5 + task.random());
    const nature = task.random();
    if (nature < p * 0.2) return { kind: "crash", ms };
    if (nature < p * 0.4) return { kind: "throw", ms };
    if (nature < p * 0.5 && timeoutMs !== undefined) return { kind: "hang", ms };
    if (nature < p * 0.6 + nested) return { kind: "nested", ms, next: attempt.pick(NESTED) };
    const mishap = attempt.random();
    if (mishap < p * 0.4) return { kind: "crash", ms };
    if (mishap < p * 0.5) return { kind: "out-of-memory", ms };
    if (mishap < p * 0.8) return { kind: "throw", ms };
    return { kind: "value", ms };
  };
}
