import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { KingletError } from "../../src/errors.ts";
import type { JournalRecord } from "../../src/job/records.ts";
import { takeOver } from "../../src/job/takeover.ts";
import { resumeParts } from "../../src/scheduler/resume.ts";
import { inputRun, metaOf, SchedulerBench, type TestJobOptions } from "./scheduler-bench.ts";

const SELF = { kinglet: "0", node: "", driverId: "next" };

/** Plays a job in one driver up to `ms`, leaves it there, and goes on with it in another. */
async function resumed(first: TestJobOptions, ms: number, second: TestJobOptions = {}) {
  const dead = new SchedulerBench();
  const meta = { ...metaOf(0), options: { idempotent: first.options?.idempotent ?? true } };
  const opening: JournalRecord[] = [{ type: "job", job: meta }];
  const before = await dead.submit({ ...first, opening });
  await dead.pass(ms);
  await dead.scheduler.close();
  const living = new SchedulerBench({ store: dead.store, name: "next" });
  const { journal, state } = await takeOver(dead.store, "journal", SELF, systemClock, { force: true });
  const parts = await resumeParts(journal, state, state.jobs.get(0)!);
  const { input: _input, ...rest } = first;
  const after = await living.submit({ ...rest, ...second, journal, ...parts, opening: [] });
  await living.run(after);
  return { before, after, parts, living };
}

describe("a job that another driver left", () => {
  it("goes on where it was: each task's outcome once, none run again", async () => {
    const { before, after, parts } = await resumed({ tasks: 40, taskMs: 10 }, 100);
    expect(parts.inputComplete).toBe(true);
    const done = before.outcomes.filter(Boolean).length;
    expect(done).toBeGreaterThan(5);
    for (let i = 0; i < 40; i++) {
      expect([before.outcomes[i], after.outcomes[i]].filter(Boolean), `task ${i}`).toEqual(["value"]);
    }
    expect(after.end).toEqual({ state: "done" });
    expect(after.running.counts).toMatchObject({ drawn: 40, total: 40, committed: 40 });
  });

  it("that was done but for its end just ends", async () => {
    const { after, living } = await resumed({ tasks: 3 }, 0, {});
    expect(after.end).toEqual({ state: "done" });
    expect(living.attempts.length).toBeLessThanOrEqual(3);
  });

  it("commits outcomes that workers had written, rather than computing them again", async () => {
    const dead = new SchedulerBench();
    const journal = await dead.journal();
    let deaf = false;
    const before = await dead.submit({
      tasks: 6,
      options: { batch: 2 },
      journal: Object.assign(Object.create(journal), {
        append: (records: JournalRecord[]) => (deaf ? new Promise(() => {}) : journal.append(records)),
        confirm: () => true,
      }) as typeof journal,
    });
    deaf = true; // from here on the driver hears of outcomes, and records none
    await dead.pass(1000);
    expect(before.outcomes).toEqual([]);
    const living = new SchedulerBench({ store: dead.store, name: "next" });
    const taken = await takeOver(dead.store, "journal", SELF, systemClock, { force: true });
    const parts = await resumeParts(taken.journal, taken.state, taken.state.jobs.get(0)!);
    expect(parts.adopted.map(({ first, count }) => [first, count]).sort((a, b) => a[0]! - b[0]!)).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
    ]);
    const after = await living.submit({ tasks: 6, journal: taken.journal, ...parts, opening: [] });
    await living.run(after);
    expect(after.outcomes).toEqual(Array(6).fill("value"));
    expect(living.attempts).toEqual([]);
  });

  it("runs what it has recorded, and then says that its input was not drawn to the end", async () => {
    let draws = 0;
    const input = {
      draw: () =>
        draws++ === 0 ? { run: inputRun(0, 0, 5), count: 5, done: false } : { count: 0, done: false },
    };
    const { after, parts } = await resumed({ input, tasks: 5 }, 0);
    expect(parts.inputComplete).toBe(false);
    expect(after.outcomes).toEqual(Array(5).fill("value"));
    expect(after.end!.state).toBe("failed");
    expect(after.end!.error).toBeInstanceOf(KingletError);
    expect(after.end!.error).toMatchObject({ code: "INPUT_INCOMPLETE", drawn: 5 });
  });

  it("ends failed if a failure of a map was recorded, but not the end", async () => {
    // A mapSettled leaves the same records behind as a map whose driver died between the two.
    const { after, living } = await resumed({ tasks: 200, taskMs: 10, fates: { 1: ["throw"] } }, 100, {
      stopOnFailure: true,
    });
    expect(after.end).toEqual({ state: "failed", failedIndex: 1 });
    expect(living.attempts).toEqual([]);
  });

  it("runs failures that nobody recorded again, with new retries", async () => {
    const { after } = await resumed(
      { tasks: 1, taskMs: 100, fates: { 0: ["crash", "crash", "value"] }, options: { retries: 1 } },
      150,
    );
    expect(after.outcomes).toEqual(["crashed"]); // two tries of its own
    expect(after.starts).toEqual([2]);
  });
});

describe("tasks that must not run twice, after their driver died", () => {
  it("are lost if they had started and left no outcome; the others run", async () => {
    const { before, after } = await resumed({ tasks: 6, taskMs: 100, options: { idempotent: false } }, 150);
    expect(before.outcomes.filter(Boolean)).toHaveLength(2);
    expect(after.outcomes.filter((outcome) => outcome === "lost")).toHaveLength(2);
    expect(after.outcomes.filter((outcome) => outcome === "value")).toHaveLength(2);
    for (let i = 0; i < 6; i++) expect((before.starts[i] ?? 0) + (after.starts[i] ?? 0)).toBe(1);
    const lost = after.failures.find(Boolean);
    expect(lost).toMatchObject({ kind: "lost", evidence: "its driver ended while it ran", attempts: 1 });
  });
});
