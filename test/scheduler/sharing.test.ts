import { describe, expect, it } from "vitest";
import { SchedulerBench, type TestJob } from "./scheduler-bench.ts";

/** The most attempts of a job that ran at the same time, by its events. */
function mostAtOnce(job: TestJob): number {
  let running = 0;
  let most = 0;
  for (const event of job.events) {
    if (event.kind === "attempt-started") most = Math.max(most, ++running);
    if (event.kind === "attempt-ended") running -= 1;
  }
  return most;
}

describe("batches", () => {
  it("begin with one task, and grow to about 10 ms of measured time", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const job = await bench.submit({ tasks: 2000, taskMs: 0.1 });
    await bench.run(job);
    const sizes = bench.attempts.map(({ invocation }) => invocation.count);
    expect(sizes[0]).toBe(1);
    expect(Math.max(...sizes)).toBe(100);
    expect(sizes.length).toBeLessThan(60);
  });

  it("of slow tasks hold one each", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const job = await bench.submit({ tasks: 10, taskMs: 300 });
    await bench.run(job);
    expect(bench.attempts.map(({ invocation }) => invocation.count)).toEqual(Array(10).fill(1));
  });

  it("wait behind quick ones, but not behind slow ones", async () => {
    const quick = new SchedulerBench({ slots: 1, faults: { queue: 1 } });
    const quickJob = await quick.submit({ tasks: 200, taskMs: 1, options: { batch: 5 } });
    await quick.run(quickJob);
    expect(mostAtOnce(quickJob)).toBe(2);
    const slow = new SchedulerBench({ slots: 1, faults: { queue: 1 } });
    const slowJob = await slow.submit({ tasks: 5, taskMs: 200 });
    await slow.run(slowJob);
    expect(mostAtOnce(slowJob)).toBe(1);
  });

  it("that wait behind a task that turns out slow go to a free slot", async () => {
    const bench = new SchedulerBench({ slots: 2, faults: { queue: 1 } });
    const fates = { 40: [{ kind: "value", ms: 20_000 } as const] };
    const job = await bench.submit({ tasks: 60, taskMs: 1, fates, options: { batch: 2, idempotent: true } });
    await bench.pass(2000);
    // Everything but the slow one, whose batch mate ran elsewhere.
    expect(job.outcomes.filter((outcome) => outcome === "value")).toHaveLength(59);
    await bench.run(job);
    expect(job.outcomes[40]).toBe("value");
  });

  it("whose first task is slow don't hold the others", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const job = await bench.submit({
      tasks: 8,
      fates: { 0: [{ kind: "value", ms: 30_000 }] },
      options: { batch: 4 },
    });
    await bench.pass(3000);
    expect(job.outcomes.filter((outcome) => outcome === "value")).toHaveLength(7);
    expect(job.outcomes[0]).toBeUndefined();
    await bench.run(job);
    expect(job.outcomes[0]).toBe("value");
  });
});

describe("a straggler", () => {
  const slowOnce = { 15: [{ kind: "value", ms: 60_000 } as const, { kind: "value", ms: 10 } as const] };

  it("gets a backup, whose outcome counts; the loser is stopped", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const began = bench.world.nowMs;
    const job = await bench.submit({ tasks: 20, taskMs: 10, fates: slowOnce, options: { batch: 1 } });
    await bench.run(job);
    expect(bench.world.nowMs - began).toBeLessThan(3000);
    expect(job.starts[15]).toBe(2);
    const attempts = bench.attempts.filter(({ invocation }) => invocation.first === 15);
    await bench.pass(100);
    expect(attempts.map(({ end }) => end?.kind)).toEqual(["cancelled", "ok"]);
    const backups = job.events.filter((event) => event.kind === "attempt-started" && event.backup);
    expect(backups).toHaveLength(1);
  });

  it("gets none where tasks must not run twice", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const job = await bench.submit({
      tasks: 20,
      taskMs: 10,
      fates: slowOnce,
      options: { idempotent: false },
    });
    await bench.run(job);
    expect(job.starts[15]).toBe(1);
  });

  it("is not backed up twice", async () => {
    const bench = new SchedulerBench({ slots: 3 });
    const fates = { 15: [{ kind: "value", ms: 60_000 } as const] };
    const job = await bench.submit({ tasks: 20, taskMs: 10, fates, options: { batch: 1 } });
    await bench.run(job);
    expect(job.starts[15]).toBe(2);
  });

  it("whose backup crashes still counts", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const fates = { 15: [{ kind: "value", ms: 5_000 } as const, { kind: "crash", ms: 10 } as const] };
    const job = await bench.submit({ tasks: 20, taskMs: 10, fates, options: { batch: 1, retries: 0 } });
    await bench.run(job);
    expect(job.outcomes[15]).toBe("value");
    expect(job.starts[15]).toBe(2);
  });
});

describe("several jobs", () => {
  it("share the slots in turn", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const long = await bench.submit({ tasks: 100, taskMs: 100 });
    await bench.pass(500);
    const short = await bench.submit({ tasks: 4, taskMs: 100 });
    await bench.run(short);
    expect(long.outcomes.filter(Boolean).length).toBeLessThan(20);
    await bench.run(long);
  });

  it("that are nested go first", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const outer = await bench.submit({ tasks: 20, taskMs: 100 });
    await bench.pass(250);
    const nested = await bench.submit({ tasks: 5, taskMs: 100, options: { depth: 1 } });
    const before = outer.outcomes.length;
    await bench.run(nested);
    // Only the outer task that was running when the nested job came.
    expect(outer.outcomes.length - before).toBe(1);
    await bench.run(outer);
  });

  it.each([1, 2, 3])("never use more than their concurrency of %d", async (concurrency) => {
    const bench = new SchedulerBench({ slots: 8 });
    const limited = await bench.submit({ tasks: 30, taskMs: 50, options: { concurrency } });
    const other = await bench.submit({ tasks: 30, taskMs: 50 });
    await bench.run(limited, other);
    expect(mostAtOnce(limited)).toBe(concurrency);
    expect(mostAtOnce(other)).toBeGreaterThan(3);
  });

  it("of quick tasks keep their slot busy, within their concurrency", async () => {
    const bench = new SchedulerBench({ slots: 4, faults: { queue: 1 } });
    const job = await bench.submit({ tasks: 300, taskMs: 1, options: { concurrency: 1, batch: 5 } });
    await bench.run(job);
    expect(new Set(bench.attempts.map(({ invocation }) => invocation.slot)).size).toBe(1);
    expect(mostAtOnce(job)).toBe(2); // one runs, one waits behind it
  });
});

describe("a slot", () => {
  it("that takes nothing more gets nothing more", async () => {
    const bench = new SchedulerBench({ slots: 1, faults: { queue: 1 } });
    const job = await bench.submit({
      tasks: 12,
      taskMs: 10,
      options: { batch: 1 },
      fates: { 4: [{ kind: "nested", ms: 1, next: "goes on" }] },
      // While it waits there is a second slot; afterwards one of the two retires.
      onRequest: (request) => {
        request.waiting();
        bench.process.after(25, () => request.resumed());
      },
    });
    await bench.run(job);
    await bench.pass(100);
    expect(bench.scheduler.stats.slots).toBe(1);
    expect(job.outcomes).toEqual(Array(12).fill("value"));
  });
});

describe("a task that waits for a nested job", () => {
  it("lends its slot: no deadlock on a single one, three levels deep", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const nest = async (depth: number): Promise<TestJob> =>
      bench.submit({
        tasks: 2,
        options: { depth },
        ...(depth < 3 ? { fates: { 0: [{ kind: "nested", ms: 1, next: "waits" }], 1: ["value"] } } : {}),
        onRequest: (request) => {
          request.waiting();
          void nest(depth + 1).then((inner) => {
            const poll = () => {
              if (!inner.end) bench.process.after(5, poll);
              else {
                request.resumed();
                request.reply(Buffer.of());
              }
            };
            poll();
          });
        },
      });
    const outer = await nest(0);
    await bench.run(outer);
    expect(outer.outcomes).toEqual(["value", "value"]);
    await bench.pass(100);
    expect(bench.scheduler.stats).toMatchObject({ attempts: 0, jobs: 0 });
  });

  it("holds nothing that was queued behind it", async () => {
    const bench = new SchedulerBench({ slots: 1, faults: { queue: 2 } });
    const job = await bench.submit({
      tasks: 40,
      options: { batch: 1 },
      fates: { 20: [{ kind: "nested", ms: 1, next: "waits" }] },
      onRequest: (request) => {
        request.waiting();
        bench.process.after(5000, () => {
          request.resumed();
          request.reply(Buffer.of());
        });
      },
    });
    await bench.pass(1000);
    expect(job.outcomes.filter((outcome) => outcome === "value")).toHaveLength(39);
    await bench.run(job);
  });
});

describe("cancel", () => {
  it("starts nothing more, stops what runs, and tells why", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const job = await bench.submit({ tasks: 50, taskMs: 100 });
    await bench.pass(250);
    const before = bench.attempts.length;
    job.running.cancel("enough");
    job.running.cancel("again");
    expect(job.end).toEqual({ state: "cancelled", reason: "enough" });
    await bench.pass(1000);
    expect(bench.attempts).toHaveLength(before);
    expect(bench.attempts.every(({ end }) => end)).toBe(true);
    expect(job.outcomes).toHaveLength(4);
  });

  it("of one job leaves the others alone", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const cancelled = await bench.submit({ tasks: 50, taskMs: 100 });
    const other = await bench.submit({ tasks: 10, taskMs: 100 });
    await bench.pass(150);
    cancelled.running.cancel("enough");
    await bench.run(other);
    expect(other.outcomes).toEqual(Array(10).fill("value"));
  });

  it("before anything could start starts nothing at all", async () => {
    const bench = new SchedulerBench({ faults: { latencyMs: 5 } });
    const job = await bench.submit({ tasks: 50 });
    job.running.cancel("changed my mind");
    await bench.pass(1000);
    expect(bench.attempts).toEqual([]);
    expect(job.outcomes).toEqual([]);
  });
});
