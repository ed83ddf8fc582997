import { describe, expect, it } from "vitest";
import type { TaskOptions } from "../../src/scheduler/driver.ts";
import type { Fate } from "../simulation/sim-compute.ts";
import { SchedulerBench } from "./scheduler-bench.ts";

type Kind = Fate["kind"];

/** What happens on each try (the last one again and again) → the task's outcome, and how often it was started. */
const TABLE: readonly [
  what: string,
  tries: readonly Kind[],
  options: TaskOptions & { retryErrors?: number },
  outcome: string,
  starts: number,
  charged?: number,
][] = [
  ["a value", ["value"], {}, "value", 1],
  ["a crash, then a value", ["crash", "value"], {}, "value", 2],
  ["three crashes, then a value", ["crash", "crash", "crash", "value"], {}, "value", 4],
  ["a poison task", ["crash"], {}, "crashed", 4, 4],
  ["a poison task without retries", ["crash"], { retries: 0 }, "crashed", 1, 1],
  ["a poison task with one retry", ["crash"], { retries: 1 }, "crashed", 2, 2],
  ["a lost worker, then a value", ["lost", "value"], {}, "value", 2],
  ["workers lost again and again", ["lost"], {}, "lost", 4, 4],
  ["crashed, lost, crashed, lost", ["crash", "lost", "crash", "lost"], {}, "lost", 4, 4],
  ["out of memory once", ["out-of-memory", "value"], {}, "value", 2],
  ["out of memory twice: no third try", ["out-of-memory"], {}, "out-of-memory", 2, 2],
  ["out of memory without retries", ["out-of-memory"], { retries: 0 }, "out-of-memory", 1, 1],
  ["past its time limit: never again", ["hang"], { timeoutMs: 50 }, "timed-out", 1, 1],
  ["a throw", ["throw"], {}, "threw", 1],
  ["a throw with infrastructure retries only", ["throw"], { retries: 5 }, "threw", 1],
  [
    "two throws of which two are retried, then a value",
    ["throw", "throw", "value"],
    { retryErrors: 2 },
    "value",
    3,
  ],
  ["throws beyond retryErrors", ["throw"], { retryErrors: 2 }, "threw", 3],
  [
    "a throw and a crash: each has its own count",
    ["throw", "crash", "throw", "value"],
    { retryErrors: 2, retries: 1 },
    "value",
    4,
  ],
  ["a crash of a task that must not run twice", ["crash"], { idempotent: false }, "crashed", 1, 1],
  ["a lost worker under a task that must not run twice", ["lost"], { idempotent: false }, "lost", 1, 1],
  ["a throw of a task that must not run twice", ["throw"], { idempotent: false, retryErrors: 5 }, "threw", 1],
];

describe("how a task ends, by what happens on each try", () => {
  it.each(TABLE)("%s", async (_what, tries, { retryErrors, ...options }, outcome, starts, charged) => {
    const bench = new SchedulerBench();
    const job = await bench.submit({
      fates: { 0: tries },
      options,
      ...(retryErrors ? { shouldRetry: (_entry, _index, thrown) => thrown <= retryErrors } : {}),
    });
    await bench.run(job);
    expect({ outcomes: job.outcomes, starts: job.starts }).toEqual({ outcomes: [outcome], starts: [starts] });
    expect(job.failures[0]?.attempts).toBe(charged);
    expect(job.end).toMatchObject({ state: "done" });
    expect(job.running.counts).toMatchObject({
      drawn: 1,
      total: 1,
      committed: 1,
      failed: outcome === "value" ? 0 : 1,
    });
  });

  it("tells the evidence of the last failure", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({ fates: { 0: ["crash"] }, options: { retries: 0 } });
    await bench.run(job);
    expect(job.failures[0]).toEqual({
      kind: "crashed",
      message: "its worker crashed: simulated crashed",
      evidence: "simulated crashed",
      attempts: 1,
    });
  });
});

describe("a crash in a batch", () => {
  it("charges the task that had started; its mates only run again", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const job = await bench.submit({ tasks: 4, fates: { 2: ["crash"] }, options: { batch: 4, retries: 2 } });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "value", "crashed", "value"]);
    // 0 and 1 had run when 2 crashed the first time, unreported; afterwards the suspect runs alone.
    expect(job.starts).toEqual([2, 2, 3, 1]);
    expect(job.failures[2]!.attempts).toBe(3);
  });

  it("loses nothing that was reported before it", async () => {
    const bench = new SchedulerBench({ slots: 1, faults: { reportEarly: 1 } });
    const job = await bench.submit({ tasks: 4, fates: { 2: ["crash", "value"] }, options: { batch: 4 } });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "value", "value", "value"]);
    expect(job.starts).toEqual([1, 1, 2, 1]);
  });

  it("with several poison tasks, fails just those", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const fates = { 3: ["crash"], 10: ["crash"], 11: ["crash"] } as const;
    const job = await bench.submit({ tasks: 16, fates, options: { batch: 8, retries: 1 } });
    await bench.run(job);
    const failed = job.outcomes.flatMap((outcome, index) => (outcome === "crashed" ? [index] : []));
    expect(failed).toEqual([3, 10, 11]);
    expect([3, 10, 11].map((index) => job.starts[index])).toEqual([2, 2, 2]);
  });
});

describe("workers that never come to a task", () => {
  it("fail it in the end, uncharged", async () => {
    const bench = new SchedulerBench({ faults: { diesUnstarted: 1 }, policy: { barrenAttempts: 5 } });
    const job = await bench.submit({ tasks: 1 });
    await bench.run(job);
    expect(job.outcomes).toHaveLength(1);
    expect(["lost", "crashed", "cancelled"]).toContain(job.outcomes[0]);
    expect(job.starts).toEqual([]);
    expect(bench.attempts).toHaveLength(5);
    expect(job.failures[0]!.attempts).toBe(0);
  });

  it("are tried ever more slowly", async () => {
    const bench = new SchedulerBench({ faults: { diesUnstarted: 1 }, policy: { barrenAttempts: 6 } });
    await bench.run(await bench.submit({ tasks: 1 }));
    const pauses = bench.attempts.slice(1).map(({ atMs }, i) => atMs - bench.attempts[i]!.atMs);
    expect(pauses[0]).toBeGreaterThanOrEqual(25);
    expect(pauses[4]).toBeGreaterThan(pauses[0]! * 4);
  });

  it("that refuse work (throttled) charge nothing, and less is asked of them", async () => {
    const bench = new SchedulerBench({ slots: 8, faults: { throttled: 0.3 } });
    const job = await bench.submit({ tasks: 60, taskMs: 20 });
    await bench.run(job);
    expect(job.outcomes.every((outcome) => outcome === "value")).toBe(true);
    expect(job.starts.every((starts) => starts === 1)).toBe(true);
    const limits = job.events.flatMap((event) => (event.kind === "concurrency" ? [event.slots] : []));
    expect(limits[0]).toBeLessThanOrEqual(4);
  });

  it("that refuse work for ever fail it as throttled", async () => {
    const bench = new SchedulerBench({ faults: { throttled: 1 }, policy: { throttledAttempts: 8 } });
    const job = await bench.submit({ tasks: 1 });
    await bench.run(job);
    expect(job.outcomes).toEqual(["throttled"]);
    expect(bench.attempts).toHaveLength(8);
  });

  it("because the function can't be loaded end the job with that error", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({ tasks: 30, unloadable: true });
    await bench.run(job);
    expect(job.end).toEqual({ state: "failed", failedIndex: 0 });
    expect(job.outcomes).toEqual(["threw"]);
    expect(job.starts).toEqual([]);
  });
});

describe("the first failure in time", () => {
  it("ends a map: nothing starts after it, what runs is stopped", async () => {
    const bench = new SchedulerBench({ slots: 2 });
    const fates = { 0: [{ kind: "value", ms: 500 } as const], 3: [{ kind: "throw", ms: 5 } as const] };
    const job = await bench.submit({
      tasks: 50,
      fates,
      taskMs: 10,
      stopOnFailure: true,
      options: { batch: 1 },
    });
    await bench.run(job);
    expect(job.end).toEqual({ state: "failed", failedIndex: 3 });
    const startedByThen = bench.attempts.length;
    await bench.pass(2000);
    expect(bench.attempts).toHaveLength(startedByThen);
    expect(bench.attempts.every(({ end }) => end)).toBe(true);
    expect(bench.attempts[0]!.end).toMatchObject({ kind: "cancelled", startedTask: 0 });
    expect(bench.scheduler.stats).toMatchObject({ attempts: 0, jobs: 0 });
  });

  it("doesn't end a mapSettled", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({
      tasks: 20,
      fates: { 3: ["throw"], 7: ["crash"] },
      options: { retries: 0 },
    });
    await bench.run(job);
    expect(job.end).toEqual({ state: "done" });
    expect(job.outcomes.filter((outcome) => outcome === "value")).toHaveLength(18);
  });
});

describe("a predicate for retries", () => {
  it("may take its time: what the attempt says meanwhile waits", async () => {
    const bench = new SchedulerBench();
    const asked: number[] = [];
    const job = await bench.submit({
      tasks: 3,
      fates: { 1: ["throw", "throw", "value"] },
      options: { batch: 3 },
      shouldRetry: (_entry, index, tries) => {
        asked.push(index * 10 + tries);
        return new Promise((resolve) => bench.process.after(30, () => resolve(true)));
      },
    });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "value", "value"]);
    expect(job.starts).toEqual([1, 3, 1]);
    expect(asked).toEqual([11, 12]);
  });

  it("that throws or rejects doesn't retry", async () => {
    for (const broken of [
      () => {
        throw new Error("broken");
      },
      () => Promise.reject(new Error("broken")),
    ]) {
      const bench = new SchedulerBench();
      const job = await bench.submit({ fates: { 0: ["throw"] }, shouldRetry: broken });
      await bench.run(job);
      expect(job.outcomes).toEqual(["threw"]);
      expect(job.starts).toEqual([1]);
    }
  });
});

describe("a backend that throttles", () => {
  it("may refuse any number of attempts that start at once: that is one throttle, not many", async () => {
    const bench = new SchedulerBench({
      slots: 200,
      faults: { throttled: 1, latencyMs: 1 },
      policy: { throttledAttempts: 5 },
    });
    const job = await bench.submit({ tasks: 200, options: { batch: 1 } });
    await bench.run(job);
    expect(job.outcomes[0]).toBe("throttled");
    // Five times all of them, or what the limit leaves of that.
    expect(bench.attempts.length).toBeGreaterThan(200);
  });
});

describe("a machine that dies as a whole", () => {
  it("charges nobody of a batch, whose tasks then run one by one: a poison task is charged alone", async () => {
    const bench = new SchedulerBench({ slots: 1, faults: { killedWhole: 1 } });
    const job = await bench.submit({ tasks: 4, fates: { 2: ["crash"] }, options: { batch: 4, retries: 2 } });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "value", "crashed", "value"]);
    expect(job.failures[2]).toMatchObject({ attempts: 3 });
    const sizes = bench.attempts.map(({ invocation }) => invocation.count);
    expect(sizes[0]).toBe(4);
    expect(sizes.slice(1).every((count) => count === 1)).toBe(true);
  });

  it("any number of times: no task is lost, none is charged for another", async () => {
    const bench = new SchedulerBench({ slots: 3, faults: { killedWhole: 1 } });
    const fates = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [i * 5, ["crash", "value"] as const]),
    );
    const job = await bench.submit({ tasks: 40, fates, options: { batch: 10, retries: 3 } });
    await bench.run(job);
    expect(job.outcomes).toEqual(Array(40).fill("value"));
  });
});

describe("memory", () => {
  const memory = { defaultMb: 1000, maxMb: 5000 };
  const sizes = (bench: SchedulerBench) =>
    bench.attempts.map(({ invocation }) => invocation.options.memoryMb);

  it("grows for a task that ran out of it, twice each time, and for that task alone", async () => {
    const bench = new SchedulerBench({ slots: 1, memory });
    const needs = { kind: "memory", ms: 1, needsMb: 3500 } as const;
    const job = await bench.submit({ tasks: 3, fates: { 1: [needs] }, options: { batch: 3 } });
    await bench.run(job);
    expect(job.outcomes).toEqual(["value", "value", "value"]);
    expect(sizes(bench).filter((mb) => mb !== undefined)).toEqual([2000, 4000]);
    expect(job.starts[1]).toBe(3);
  });

  it("starts from what the call asked for, and ends at the most that there is", async () => {
    const bench = new SchedulerBench({ slots: 1, memory });
    const needs = { kind: "memory", ms: 1, needsMb: 9000 } as const;
    const job = await bench.submit({ fates: { 0: [needs] }, options: { memoryMb: 2000, retries: 5 } });
    await bench.run(job);
    expect(sizes(bench)).toEqual([2000, 4000, 5000]);
    expect(job.failures[0]).toMatchObject({ kind: "out-of-memory", attempts: 3 });
  });

  it("doesn't grow without retries", async () => {
    const bench = new SchedulerBench({ slots: 1, memory });
    const needs = { kind: "memory", ms: 1, needsMb: 1500 } as const;
    const job = await bench.submit({ fates: { 0: [needs] }, options: { retries: 0 } });
    await bench.run(job);
    expect(sizes(bench)).toEqual([undefined]);
    expect(job.outcomes).toEqual(["out-of-memory"]);
  });
});
