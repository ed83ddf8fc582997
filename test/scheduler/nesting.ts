import { seededRandom } from "../../src/clock.ts";
import type { NestedRequest } from "../../src/scheduler/contract.ts";
import { Dice } from "../simulation/world.ts";
import { SchedulerBench, type TestJob, type TestJobOptions } from "./scheduler-bench.ts";

export const WAITS = { kind: "nested", ms: 1, next: "waits" } as const;

/** Runs what a task asks for as the pool does: answered when all is done, cancelled when the attempt is over. */
export class Nesting {
  readonly jobs: TestJob[] = [];
  readonly bench: SchedulerBench;
  readonly #running = new Map<number, Set<TestJob>>();
  #dead = new Set<number>();

  constructor(bench: SchedulerBench) {
    this.bench = bench;
  }

  /** `inner`: the jobs that each waiting task asks for. `lateMs`: what it takes until they are there. */
  async submit(
    options: TestJobOptions,
    inner: (depth: number, index: number) => readonly TestJobOptions[],
    lateMs: () => number = () => 0,
    depth = 0,
    parent?: number,
  ): Promise<TestJob> {
    const job = await this.bench.submit({
      ...options,
      options: { ...options.options, depth, ...(parent === undefined ? {} : { parent }) },
      onRequest: (request) => void this.#answer(request, inner, lateMs, depth + 1),
      onEvent: (event) => {
        if (event.kind !== "attempt-ended") return;
        this.#dead.add(event.attempt);
        for (const nested of this.#running.get(event.attempt) ?? []) nested.running.cancel("its task ended");
      },
    });
    this.jobs.push(job);
    return job;
  }

  async #answer(
    request: NestedRequest,
    inner: (depth: number, index: number) => readonly TestJobOptions[],
    lateMs: () => number,
    depth: number,
  ): Promise<void> {
    request.waiting();
    const { attempt } = request;
    const siblings = new Set<TestJob>();
    this.#running.set(attempt, siblings);
    const ends: Promise<void>[] = [];
    for (const options of inner(depth, this.jobs.length)) {
      await new Promise<void>((resolve) => this.bench.process.after(lateMs(), resolve));
      if (this.#dead.has(attempt)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.push(promise);
      const job = { ...options, onEnded: () => resolve() };
      siblings.add(await this.submit(job, inner, lateMs, depth, attempt));
    }
    await Promise.all(ends);
    request.resumed();
    request.reply(Buffer.of());
  }
}

/** A tree of jobs, quotas and faults from a seed. */
export async function randomNesting(
  seed: number,
): Promise<{ bench: SchedulerBench; nesting: Nesting; outer: TestJob }> {
  const dice = new Dice(seededRandom(seed));
  const bench = new SchedulerBench({
    seed,
    slots: dice.pick([1, 2, 8]),
    quota: dice.pick([1, 1, 2, 3]),
    faults: {
      latencyMs: dice.pick([0, 1, 5]),
      diesUnstarted: dice.pick([0, 0.1]),
      reportLost: dice.pick([0, 0, 0.05]),
      reportTwice: dice.pick([0, 0.3]),
      withdrawn: dice.pick([0, 0, 0.3]),
    },
    policy: { barrenAttempts: 1000, throttledAttempts: 1000, retryMaxMs: 100 },
  });
  const nesting = new Nesting(bench);
  const depth = dice.pick([1, 2, 3]);
  const job = (at: number): TestJobOptions => {
    const tasks = dice.int(1, 3);
    const fateOf = () => (dice.chance(0.8) ? WAITS : { ...WAITS, next: "goes on" as const });
    const fates = Object.fromEntries(Array.from({ length: tasks }, (_, i) => [i, [fateOf()]]));
    return { tasks, taskMs: dice.int(0, 40), options: { retries: 1000 }, ...(at < depth ? { fates } : {}) };
  };
  const inner = (at: number) => Array.from({ length: dice.int(1, 2) }, () => job(at));
  const outer = await nesting.submit(job(0), inner, () => dice.pick([0, 3, 30]));
  return { bench, nesting, outer };
}
