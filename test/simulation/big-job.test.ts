import { describe, expect, it } from "vitest";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { simulateBigJob } from "./big-job.ts";

const TASKS = amount({ short: 50_000, long: 1_000_000 });
const SLOTS = amount({ short: 500, long: 10_000 });

describe(`a job of ${TASKS} tasks on ${SLOTS} workers`, () => {
  it("costs the scheduler a few events a task", MUCH, async () => {
    const report = await simulateBigJob(TASKS, SLOTS);
    const memory = process.memoryUsage();
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
    console.log(
      `simulated ${TASKS} tasks on ${SLOTS} workers: ${(report.virtualMs / 1000).toFixed(0)} s of theirs in ` +
        `${(report.realMs / 1000).toFixed(1)} s of ours (${(report.cpuMs / 1000).toFixed(1)} s of processor), ${report.events} events, ${report.retried} retries, ` +
        `journal ${mib(report.journalBytes)}, heap ${mib(memory.heapUsed)}, rss ${mib(memory.rss)}`,
    );
    expect(report.state).toBe("done");
    expect(report.shown.every((times) => times === 1)).toBe(true);
    // That the work grows with the tasks, and not with their square, as a count: times are told above.
    expect(report.events).toBeLessThan(2 * TASKS);
  });
});
