import { describe, expect, it } from "vitest";
import {
  afterSuccess,
  afterThrottle,
  type BatchFacts,
  backoffMs,
  batchTasks,
  defaultPolicy,
  gatherMs,
  mayRetry,
  memoryAfter,
  wantsBackup,
} from "../../src/scheduler/policy.ts";

const FACTS: BatchFacts = {
  fixed: undefined,
  alone: false,
  taskMs: 1,
  measuredTasks: 1000,
  unassigned: 100_000,
  slots: 2,
  inputBytesPerTask: 100,
  storeMs: 0,
};

describe("the size of a batch", () => {
  it.each<[string, Partial<BatchFacts>, number]>([
    ["10 ms of work", {}, 10],
    ["as much work as storing its outcomes takes", { storeMs: 18 }, 18],
    ["but no more than lets another batch wait behind it", { storeMs: 200 }, 25],
    ["10 ms of very quick work, at most 1,024 tasks", { taskMs: 0.001 }, 1024],
    ["one task before anything is measured", { taskMs: undefined }, 1],
    ["one task longer than 10 ms", { taskMs: 3000 }, 1],
    ["no more than four times what has been measured", { taskMs: 0.001, measuredTasks: 3 }, 12],
    ["a quarter of a slot's share of what is left", { taskMs: 0.001, unassigned: 80 }, 10],
    ["one task at the end", { taskMs: 0.001, unassigned: 3, slots: 8 }, 1],
    ["1 MiB of inputs", { taskMs: 0.001, inputBytesPerTask: 100_000 }, 10],
    ["one big input", { taskMs: 0.001, inputBytesPerTask: 5e6 }, 1],
    ["what the option says", { fixed: 77, taskMs: 5000 }, 77],
    ["one, where each task needs its own invocation", { fixed: 77, alone: true }, 1],
    ["more than nothing where tasks take no time", { taskMs: 0 }, 1024],
  ])("%s", (_what, facts, tasks) => {
    expect(batchTasks(defaultPolicy, { ...FACTS, ...facts })).toBe(tasks);
  });
});

describe("memory after a task ran out of it", () => {
  it("is twice as much each time, up to the most there is", () => {
    const memory = { mb: 1769, maxMb: 10_240 };
    expect([0, 1, 2, 3, 4, 100].map((times) => memoryAfter(memory, times))).toEqual([
      1769, 3538, 7076, 10_240, 10_240, 10_240,
    ]);
    expect(memoryAfter({ mb: 4096, maxMb: 1024 }, 1)).toBe(4096);
  });

  it("allows as many tries as any failure, where there is more of it", () => {
    expect(mayRetry("out-of-memory", 3, 3, true, true)).toBe(true);
    expect(mayRetry("out-of-memory", 4, 3, true, true)).toBe(false);
    expect(mayRetry("out-of-memory", 2, 3, true, false)).toBe(false);
  });
});

describe("another try", () => {
  it.each([
    ["crashed", 1, 3, true, true],
    ["crashed", 3, 3, true, true],
    ["crashed", 4, 3, true, false],
    ["lost", 1, 0, true, false],
    ["out-of-memory", 1, 3, true, true],
    ["out-of-memory", 2, 3, true, false],
    ["out-of-memory", 1, 0, true, false],
    ["timed-out", 1, 3, true, false],
    ["crashed", 1, 3, false, false],
  ] as const)(
    "%s, charged %d of %d retries, idempotent %s: %s",
    (kind, charged, retries, idempotent, may) => {
      expect(mayRetry(kind, charged, retries, idempotent)).toBe(may);
    },
  );

  it("waits twice as long each time, up to a limit, with jitter", () => {
    const most = (tries: number) => backoffMs(defaultPolicy, tries, 1);
    expect([1, 2, 3, 4].map(most)).toEqual([50, 100, 200, 400]);
    expect(most(1000)).toBe(30_000);
    expect(backoffMs(defaultPolicy, 1, 0)).toBe(25);
  });
});

describe("a backup", () => {
  it.each([
    ["silent for long in a job nearly done", 5000, 100, 100, 90, true],
    ["when the others take as long", 5000, 2000, 100, 90, false],
    ["within the first second", 900, 1, 100, 90, false],
    ["before half is done", 5000, 100, 100, 49, false],
    ["of few tasks", 5000, 100, 9, 8, false],
    ["when nothing is known", 5000, undefined, 100, 90, false],
  ] as const)("%s", (_what, silentMs, medianMs, tasks, decided, wanted) => {
    expect(wantsBackup(defaultPolicy, silentMs, medianMs, tasks, decided)).toBe(wanted);
  });
});

describe("slots in use, when the backend throttles", () => {
  it("are halved, and grow again by one each round", () => {
    let limit = afterThrottle(Number.POSITIVE_INFINITY, 99);
    expect(limit).toBe(50);
    for (let i = 0; i < 50; i++) limit = afterSuccess(limit, 1000);
    expect(limit).toBeGreaterThan(50.9);
    expect(limit).toBeLessThan(51.1);
  });

  it("never go below one, and are unlimited again at the top", () => {
    expect(afterThrottle(1, 0)).toBe(1);
    expect(afterSuccess(9.99, 10)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("how long records gather where an append is a request", () => {
  it.each([
    [5, 0, 100],
    [80, 0, 160],
    [5, 10_000, 400],
    [3000, 0, 1000],
    [5, 3_600_000, 1000],
  ])("an append of %d ms, %d ms after the first: %d ms", (appendMs, sinceMs, expected) => {
    expect(gatherMs(defaultPolicy, appendMs, sinceMs)).toBe(expected);
  });
});
