import { describe, expect, it } from "vitest";
import { Nesting, randomNesting, WAITS } from "./nesting.ts";
import { SchedulerBench, type TestJob } from "./scheduler-bench.ts";

/** Tasks that each wait for `width` more, down to `depth`. */
const tree = (width: number, depth: number) => (at: number) => [
  {
    tasks: width,
    ...(at < depth
      ? { fates: Object.fromEntries(Array.from({ length: width }, (_, i) => [i, [WAITS]])) }
      : {}),
  },
];

const isDone = (job: TestJob) => job.end?.state === "done" && job.outcomes.every((one) => one === "value");

describe("nested jobs", () => {
  it("find a slot, though they come late and many tasks would like to wait", async () => {
    // One that works, and the most that wait.
    const bench = new SchedulerBench({ slots: 1, mostSlots: 3 });
    const nesting = new Nesting(bench);
    const [outer] = tree(20, 1)(0);
    const job = await nesting.submit(outer!, tree(2, 1), () => 50);
    await bench.run(job);
    expect(nesting.jobs).toHaveLength(21);
    expect(nesting.jobs.every(isDone)).toBe(true);
  });

  it.each([
    { quota: 1, width: 3, depth: 3 },
    { quota: 2, width: 5, depth: 2 },
    { quota: 3, width: 2, depth: 4 },
  ])("with $quota workers at a time, $depth deep, $width wide: done", async ({ quota, width, depth }) => {
    const bench = new SchedulerBench({ slots: 8, quota });
    const nesting = new Nesting(bench);
    const [outer] = tree(width, depth)(0);
    const job = await nesting.submit(outer!, tree(width, depth));
    await bench.run(job);
    expect(nesting.jobs.every(isDone)).toBe(true);
    const guests = bench.attempts.filter(({ invocation }) => invocation.host !== undefined);
    expect(guests.length).toBeGreaterThan(width);
    await bench.pass(1000);
    expect(bench.scheduler.stats).toMatchObject({ attempts: 0, jobs: 0 });
  });

  it("take workers of their own where there are some: no guests", async () => {
    const bench = new SchedulerBench({ slots: 4, quota: 100 });
    const nesting = new Nesting(bench);
    const [outer] = tree(4, 1)(0);
    await bench.run(await nesting.submit(outer!, tree(4, 1)));
    expect(nesting.jobs.every(isDone)).toBe(true);
    expect(bench.attempts.some(({ invocation }) => invocation.host !== undefined)).toBe(false);
  });

  it("that need more memory than the worker of their parent has aren't its guests", async () => {
    const bench = new SchedulerBench({ slots: 2, quota: 1, memory: { defaultMb: 512, maxMb: 2048 } });
    const nesting = new Nesting(bench);
    const inner = () => [{ tasks: 1, options: { memoryMb: 1024 } }];
    const outer = await nesting.submit({ tasks: 1, fates: { 0: [WAITS] } }, inner);
    await bench.run(outer);
    const [, nested] = nesting.jobs;
    // It is tried, again and again, until there is nothing more to hope for.
    const tried = bench.attempts.filter(({ invocation }) => invocation.job.number === 1);
    expect(tried.length).toBeGreaterThan(50);
    expect(
      tried.every(({ invocation, end }) => invocation.host === undefined && end?.kind === "throttled"),
    ).toBe(true);
    expect(nested?.outcomes).toEqual(["throttled"]);
  });

  it("are over with the worker that they are guests of, and run again with it", async () => {
    const bench = new SchedulerBench({ slots: 2, quota: 1 });
    const nesting = new Nesting(bench);
    const crashes = { kind: "nested", ms: 1, next: "crashes" } as const;
    const inner = () => [{ tasks: 1, taskMs: 500 }];
    const outer = await nesting.submit({ tasks: 1, fates: { 0: [crashes, WAITS] } }, inner, () => 5);
    await bench.run(outer);
    expect(isDone(outer)).toBe(true);
    expect(outer.starts).toEqual([2]);
    expect(nesting.jobs.map((job) => job.end?.state).sort()).toEqual(["cancelled", "done", "done"]);
  });

  const SEEDS = Number(process.env["KINGLET_SIM_SEEDS"] ?? 40);

  it(`of ${SEEDS} seeds, with faults and quotas from 1 on, all come to their end, each outcome once`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { bench, outer } = await randomNesting(seed);
      try {
        await bench.run(outer);
        expect(isDone(outer)).toBe(true);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
});
