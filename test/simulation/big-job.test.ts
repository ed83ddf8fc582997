import { describe, expect, it } from "vitest";
import { simulateBigJob } from "./big-job.ts";

const TASKS = 1_000_000;
const SLOTS = 10_000;

describe("a job of a million tasks on ten thousand workers", () => {
  it("is simulated in under a minute of processor time", { timeout: 240_000 }, async () => {
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
    // Processor time: what else the machine does isn't the scheduler's fault.
    expect(report.cpuMs).toBeLessThan(60_000);
  });
});
