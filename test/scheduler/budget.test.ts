import { describe, expect, it } from "vitest";
import type { ComputePrices } from "../../src/compute/contract.ts";
import type { KingletError } from "../../src/errors.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import { SIM_MEMORY_MB } from "../simulation/sim-compute.ts";
import { SchedulerBench } from "./scheduler-bench.ts";

/** A second of a worker costs a dollar, an attempt ten cents more. */
const PRICES: ComputePrices = {
  name: "of a test",
  usdPerGbSecond: 1024 / SIM_MEMORY_MB,
  usdPerRequest: 0.1,
};
const TASK = { taskMs: 1000, tasks: 100, stopOnFailure: true } as const;
const options = (budgetUsd?: number) => ({
  batch: 1,
  memoryMb: SIM_MEMORY_MB,
  ...(budgetUsd === undefined ? {} : { budgetUsd }),
});

describe("a budget", () => {
  it("starts as many tasks as it pays for, and no more", async () => {
    const bench = new SchedulerBench({ slots: 4, prices: PRICES });
    const job = await bench.submit({ ...TASK, options: options(20) });
    await bench.run(job);
    // 1.10 each: 18 cost 19.80.
    expect(bench.attempts).toHaveLength(18);
    expect(job.running.counts).toMatchObject({ committed: 18, started: 18 });
    expect(job.running.cost.usd).toBeCloseTo(19.8, 9);
    expect(job.end).toMatchObject({ state: "released" });
    const error = job.end!.error as KingletError & { spentUsd: number; done: number };
    expect(error).toMatchObject({ code: "BUDGET_SPENT", budgetUsd: 20, done: 18 });
    expect(error.spentUsd).toBeCloseTo(19.8, 9);
    expect(error.message).toMatch(/\$19\.8 of its budget of \$20 are spent.*18 of 100 tasks are done/);
    expect(error.remedy).toContain("kinglet resume journal");
  });

  it("leaves the job as one that can be resumed, with what it cost", async () => {
    const bench = new SchedulerBench({ slots: 4, prices: PRICES });
    await bench.run(await bench.submit({ ...TASK, options: options(20) }));
    const folded = (await readJournal(bench.store, "journal")).jobs.get(0)!;
    expect(folded).toMatchObject({ committedCount: 18, ended: undefined });
    expect(folded.costUsd).toBeCloseTo(19.8, 9);
  });

  it("of nothing starts nothing", async () => {
    const bench = new SchedulerBench({ slots: 4, prices: PRICES });
    const job = await bench.submit({ ...TASK, options: options(0) });
    await bench.run(job);
    expect(bench.attempts).toEqual([]);
    expect(job.end!.error).toMatchObject({ code: "BUDGET_SPENT", done: 0 });
  });

  it("isn't touched by workers that cost nothing", async () => {
    const bench = new SchedulerBench({ slots: 4 });
    const job = await bench.submit({ ...TASK, options: options(0) });
    await bench.run(job);
    expect(job.end).toEqual({ state: "done" });
    expect(job.running.cost.usd).toBe(0);
  });

  it("that is enough lets the job be done", async () => {
    const bench = new SchedulerBench({ slots: 4, prices: PRICES });
    const job = await bench.submit({ ...TASK, options: options(110.01) });
    await bench.run(job);
    expect(job.end).toEqual({ state: "done" });
    // The last attempt says that it has ended a moment after its outcome.
    await bench.pass(10);
    expect(job.running.cost).toMatchObject({
      invocations: 100,
      wastedByRetriesUsd: 0,
      wastedByBackupsUsd: 0,
    });
  });

  it("pays for failed attempts too, and says that they were wasted", async () => {
    const bench = new SchedulerBench({ slots: 1, prices: PRICES });
    const crash = { kind: "crash", ms: 1000 } as const;
    const job = await bench.submit({ ...TASK, fates: { 0: [crash, "value"] }, options: options(5.5) });
    await bench.run(job);
    // A crash and its retry, then three more.
    expect(bench.attempts).toHaveLength(5);
    expect(job.running.counts.committed).toBe(4);
    expect(job.running.cost.wastedByRetriesUsd).toBeCloseTo(1.1, 9);
  });

  it("makes batches as small as it must", async () => {
    const bench = new SchedulerBench({ slots: 1, prices: PRICES });
    const job = await bench.submit({ ...TASK, options: { ...options(7.35), batch: 5 } });
    await bench.run(job);
    // 5 tasks for 5.10, so 1.02 each; 2.15 are left for 2 more.
    expect(bench.attempts.map(({ invocation }) => invocation.count)).toEqual([5, 2]);
  });
});
