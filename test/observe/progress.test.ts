import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  busyWorkers,
  foldProgress,
  newProgress,
  ratePerSecond,
  remainingMs,
} from "../../src/observe/progress.ts";
import { summarize, summaryLines } from "../../src/observe/summary.ts";
import type { PoolEvent } from "../../src/observers.ts";
import { committed, drawn, ended, finished, opened, retried, started } from "./events.ts";

function fold(...events: PoolEvent[]) {
  const progress = newProgress();
  for (const event of events) foldProgress(progress, event);
  return progress;
}

describe("the progress of a map", () => {
  it("counts tasks, attempts, retries, failures and backups", () => {
    const progress = fold(
      opened("j", 0, { total: 10 }),
      started("j", 0, 1, 0, 4),
      started("j", 0, 2, 4, 4, { slot: "b" }),
      finished("j", 100, 1, 0, 4),
      committed("j", 100, 0, 4, 1),
      finished("j", 150, 2, 4, 4, { slot: "b", end: "crashed" }),
      retried("j", 150, 4),
      started("j", 160, 3, 4, 1, { backup: true }),
    );
    const job = progress.running.get("j")!;
    expect(job).toMatchObject({ done: 4, failed: 1, retried: 1, backups: 1, total: 10, state: "running" });
    expect(Object.fromEntries(job.ends)).toEqual({ ok: 1, crashed: 1 });
    expect(busyWorkers(job)).toBe(1);
  });

  it("measures busy time without the time that an attempt waits behind another on its worker", () => {
    const progress = fold(
      opened("j", 0),
      started("j", 0, 1, 0),
      started("j", 10, 2, 1), // queued behind the first
      finished("j", 1000, 1, 0),
      finished("j", 1500, 2, 1),
      started("j", 5000, 3, 2), // after a pause, in which nothing was busy
      finished("j", 5100, 3, 2),
    );
    expect(progress.running.get("j")!.busyMs).toBe(1000 + 500 + 100);
    expect(progress.totals.busyMs).toBe(1600);
  });

  it("doesn't count attempts that were taken back before they ran", () => {
    const progress = fold(
      opened("j", 0),
      started("j", 0, 1, 0),
      started("j", 0, 2, 1),
      finished("j", 400, 2, 1, 1, { end: "revoked" }),
      finished("j", 1000, 1, 0),
    );
    expect(progress.totals).toMatchObject({ busyMs: 1000 });
    expect(Object.fromEntries(progress.totals.ends)).toEqual({ ok: 1 });
  });

  it("keeps the five slowest attempts, slowest first", () => {
    const events: PoolEvent[] = [opened("j", 0)];
    for (const [i, ms] of [30, 10, 70, 20, 60, 50, 40].entries()) {
      events.push(started("j", i * 100, i, i), finished("j", i * 100 + ms, i, i));
    }
    expect(fold(...events).totals.slowest.map(({ first, ms }) => [first, ms])).toEqual([
      [2, 70],
      [4, 60],
      [5, 50],
      [6, 40],
      [0, 30],
    ]);
  });

  it("learns the number of tasks as the input is drawn", () => {
    const progress = fold(opened("j", 0), drawn("j", 1, 100));
    expect(progress.running.get("j")).toMatchObject({ drawn: 100, total: undefined });
    foldProgress(progress, drawn("j", 2, 250, 250));
    expect(progress.running.get("j")).toMatchObject({ drawn: 250, total: 250 });
  });

  it("tells rate and remaining time from the last seconds, not from a slow start", () => {
    const progress = fold(opened("j", 0, { total: 1100 }), committed("j", 10_000, 0, 10));
    for (let s = 1; s <= 59; s++) foldProgress(progress, committed("j", 10_000 + s * 500, s * 10, 10));
    const job = progress.running.get("j")!;
    const nowMs = 10_000 + 59 * 500;
    expect(job.done).toBe(600);
    expect(ratePerSecond(job, nowMs)).toBeCloseTo(20, 0);
    expect(remainingMs(job, nowMs)).toBeCloseTo(25_000, -3);
    // Without progress the rate sinks and the remaining time grows.
    expect(remainingMs(job, nowMs + 60_000)!).toBeGreaterThan(100_000);
  });

  it("knows no rate before anything is done, and no remaining time without a total", () => {
    const progress = fold(opened("j", 0));
    expect(ratePerSecond(progress.running.get("j")!, 50)).toBeUndefined();
    foldProgress(progress, committed("j", 600, 0, 5));
    expect(ratePerSecond(progress.running.get("j")!, 1000)).toBe(5);
    expect(remainingMs(progress.running.get("j")!, 1000)).toBeUndefined();
  });

  it("counts outcomes that were there before as done, but not as speed", () => {
    const progress = fold(opened("j", 0, { total: 100, settled: 90 }), committed("j", 1000, 90, 5));
    const job = progress.running.get("j")!;
    expect(job.done).toBe(95);
    expect(ratePerSecond(job, 1000)).toBe(5);
  });

  it("hands out a job that has ended and forgets it", () => {
    const progress = fold(opened("j", 0), committed("j", 10, 0, 3));
    const job = foldProgress(progress, ended("j", 2000, { tasks: 3, state: "done" }));
    expect(job).toMatchObject({ id: "j", state: "done", total: 3, endedMs: 2000 });
    expect(progress.running.size).toBe(0);
    expect(progress.totals).toMatchObject({ done: 3, jobs: 1, failedJobs: 0 });
  });

  it("is called by its name, else its function's, else by what it is", () => {
    const progress = fold(
      opened("j", 0, { name: "thumbs" }),
      opened("k", 0),
      opened("l", 0, { functionName: "", jobKind: "mapSettled" }),
    );
    expect([...progress.running.values()].map(({ label }) => label)).toEqual([
      "thumbs",
      "resize",
      "mapSettled",
    ]);
  });

  it("takes no harm from events that it doesn't know", () => {
    const progress = fold(
      opened("j", 0),
      committed("other", 1, 0, 5),
      finished("j", 5, 99, 0),
      { kind: "job", jobId: "j", event: { kind: "from the future", atMs: 1 } } as unknown as PoolEvent,
      { kind: "pool-sighed", jobId: "j" } as unknown as PoolEvent,
    );
    expect(progress.running.get("j")).toMatchObject({ done: 0, busyMs: 0 });
  });
});

describe("calls of pool.run", () => {
  it("are one line a function, however many they are, and leave nothing behind", () => {
    const progress = newProgress();
    for (let i = 1; i <= 1000; i++) {
      const id = `j.${i}`;
      foldProgress(
        progress,
        opened(id, i, { jobKind: "run", functionName: i % 2 ? "odd" : "even", total: 1 }),
      );
      foldProgress(progress, started(id, i, i, 0));
      foldProgress(progress, finished(id, i + 1, i, 0));
      foldProgress(progress, committed(id, i + 1, 0, 1, i === 7 ? 1 : 0));
      foldProgress(progress, ended(id, i + 1, { tasks: 1, state: i === 7 ? "failed" : "done" }));
    }
    expect(
      [...progress.running.values()].map(({ label, done, failed, open }) => [label, done, failed, open]),
    ).toEqual([
      ["odd", 500, 1, 0],
      ["even", 500, 0, 0],
    ]);
    expect(progress.lineOfRun.size).toBe(0);
    expect(progress.slots.size).toBe(0);
    expect(progress.totals).toMatchObject({ jobs: 1000, done: 1000, failed: 1, failedJobs: 1 });
  });

  it("that run at the same time add up", () => {
    const progress = fold(
      opened("j.1", 0, { jobKind: "run", functionName: "fetch", total: 1 }),
      opened("j.2", 0, { jobKind: "run", functionName: "fetch", total: 1 }),
      committed("j.2", 5, 0, 1),
    );
    expect([...progress.running.values()]).toMatchObject([{ label: "fetch", total: 2, done: 1, open: 2 }]);
  });
});

describe("the summary", () => {
  it("tells tasks, wall, busy time, speed-up, retries, crashes and the slowest task", () => {
    const progress = fold(
      opened("j", 1000, { total: 3, name: "thumbs" }),
      started("j", 1000, 1, 0, 1, { slot: "a" }),
      started("j", 1000, 2, 1, 1, { slot: "b" }),
      finished("j", 3000, 1, 0, 1, { slot: "a" }),
      finished("j", 2000, 2, 1, 1, { slot: "b", end: "out-of-memory" }),
      retried("j", 2000, 1),
      started("j", 2000, 3, 1, 2, { slot: "b" }),
      finished("j", 3000, 3, 1, 2, { slot: "b" }),
      committed("j", 3000, 0, 3, 1),
      ended("j", 3000, { tasks: 3 }),
    );
    const summary = summarize(progress, 99_999);
    expect(summary).toMatchObject({
      tasks: 3,
      failed: 1,
      wallMs: 2000,
      busyMs: 4000,
      speedUp: 2,
      crashes: 1,
      retries: 1,
    });
    expect(summaryLines(summary)).toEqual([
      "tasks    3, 1 failed",
      "wall     2.0 s",
      "busy     4.0 s on 2 workers: speed-up 2.0",
      "retries  1 (1 crash)",
      "slowest  thumbs task 0: 2.0 s",
    ]);
  });

  it("of several jobs spans them all, and says how many weren't done", () => {
    const progress = fold(
      opened("j", 0, { settled: 5 }),
      ended("j", 100, { tasks: 5 }),
      opened("k", 200),
      started("k", 200, 1, 4, 8),
      finished("k", 300, 1, 4, 8, { end: "timed-out" }),
      ended("k", 400, { state: "failed" }),
    );
    expect(summaryLines(summarize(progress, 0))).toEqual([
      "tasks    5 in 2 jobs, 1 of them not done, 5 done before",
      "wall     400 ms",
      "busy     100 ms on 2 workers: speed-up 0.3",
      "retries  0 (1 timed out)",
      "slowest  resize tasks 4–11 together: 100 ms",
    ]);
  });

  it("of an unfinished job counts until now", () => {
    expect(summarize(fold(opened("j", 100)), 350).wallMs).toBe(250);
  });
});

describe("whatever comes in", () => {
  const id = fc.constantFrom("j", "k", "k.1", "k.2");
  const small = fc.nat(8);
  const at = fc.nat(1000);
  const slot = fc.constantFrom("a", "b");
  const anyEvent = fc.oneof(
    fc
      .record({ id, at, run: fc.boolean(), total: fc.option(small, { nil: undefined }) })
      .map((e) => opened(e.id, e.at, { jobKind: e.run ? "run" : "map", total: e.run ? 1 : e.total })),
    fc.record({ id, at, tasks: small }).map((e) => ended(e.id, e.at, { tasks: e.tasks })),
    fc.record({ id, at, a: small, slot }).map((e) => started(e.id, e.at, e.a, 0, 1, e)),
    fc
      .record({ id, at, a: small, end: fc.constantFrom("ok", "revoked", "lost") })
      .map((e) => finished(e.id, e.at, e.a, 0, 1, e)),
    fc.record({ id, at, n: small }).map((e) => committed(e.id, e.at, 0, e.n)),
  );

  it("in whatever order and at whatever times, counts stay sound and no time is negative", () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        const progress = newProgress();
        for (const event of events) foldProgress(progress, event);
        const { totals } = progress;
        expect(totals.busyMs).toBeGreaterThanOrEqual(0);
        for (const job of progress.running.values()) {
          expect(job.done).toBeLessThanOrEqual(totals.done);
          expect(busyWorkers(job)).toBeLessThanOrEqual(2);
        }
        expect(summaryLines(summarize(progress, 10))).not.toContainEqual(
          expect.stringMatching(/NaN|undefined|-\d/),
        );
      }),
    );
  });
});
