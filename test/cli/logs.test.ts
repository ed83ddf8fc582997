import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import { driverKey } from "../../src/job/keys.ts";
import { newLease, writeLease } from "../../src/job/lease.ts";
import type { JobMeta } from "../../src/job/records.ts";
import { takeOver } from "../../src/job/takeover.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { Folder, kinglet, startKinglet } from "./kinglet.ts";
import { hashOf, writeJournal } from "./written-jobs.ts";

const clock = { nowMs: () => Date.now(), after: () => () => {} };

let folder: Folder;
let store: ObjectStore;
beforeEach(() => {
  folder = new Folder();
  store = openDiskStore(folder.file(".kinglet"));
});
afterEach(async () => {
  await store.close();
  folder.remove();
});

const meta: JobMeta = {
  number: 0,
  kind: "map",
  functionHash: hashOf("a"),
  functionName: "resize",
  functionLocation: "script.ts:3:5",
  createdMs: 0,
  options: {},
};
const console = (index: number, text: string) =>
  ({ type: "console", jobNumber: 0, attempt: 1, index, stream: "stdout", text, atMs: 5 }) as const;

/** A job that this process leads, as a pool would. */
async function lead(id: string): Promise<Journal> {
  const driverId = `driver-of-${id}`;
  await writeLease(store, newLease(driverId, clock));
  const header = { format: 1, kinglet: "0.1.0", node: "v24.0.0", driverId, epoch: 0, createdMs: 0 } as const;
  const journal = await createJournal({ store, id, header });
  await journal.append([{ type: "job", job: meta }]);
  return journal;
}

describe("kinglet logs", () => {
  it("prints what tasks printed, harmlessly, and of one task alone", async () => {
    const lines = [
      { index: 0, text: "\u001b[31mred\u001b[0m" },
      { index: 1, text: "on stderr", stream: "stderr" as const },
      { text: "of nobody in particular", index: undefined as never },
    ];
    await writeJournal(store, { id: "job-001", jobs: [{ drawn: 3, lines }] });
    const all = await kinglet(["logs", "job-001"], { cwd: folder.path });
    expect(all).toMatchObject({
      code: 0,
      stdout: "[task 0] red\n[task 1] on stderr\n[worker] of nobody in particular\n",
      stderr: "",
    });
    const one = await kinglet(["logs", "job-001", "--task", "1", "--json"], { cwd: folder.path });
    expect(JSON.parse(one.stdout)).toEqual({
      atMs: 1,
      task: 1,
      attempt: 1,
      stream: "stderr",
      text: "on stderr",
    });
    const none = await kinglet(["logs", "job-001", "--task", "7"], { cwd: folder.path });
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: "No lines of task 7.\n" });
  });

  it("prints the lines of one call of pool.run, or of all of a journal", async () => {
    const jobs = [1, 2].map((number) => ({ number, drawn: 1, lines: [{ text: `from ${number}` }] }));
    await writeJournal(store, { id: "runs-001", jobs });
    expect((await kinglet(["logs", "runs-001.2"], { cwd: folder.path })).stdout).toBe("[run 2] from 2\n");
    expect((await kinglet(["logs", "runs-001"], { cwd: folder.path })).stdout).toBe(
      "[run 1] from 1\n[run 2] from 2\n",
    );
  });

  it("follows a running job until it has ended, over a change of its driver", async () => {
    const journal = await lead("job-001");
    await journal.append([console(0, "before")]);
    const following = startKinglet(["logs", "job-001", "--follow"], { cwd: folder.path });
    await following.printed(/before/);
    await journal.append([console(1, "while it looks")]);
    await following.printed(/while it looks/);
    await journal.close();
    const self = { kinglet: "0.1.0", node: "v24.0.0", driverId: "driver-of-job-001" };
    const next = await takeOver(store, "job-001", self, clock, { force: true });
    await next.journal.append([console(2, "by the next driver")]);
    await following.printed(/by the next driver/);
    await next.journal.append([{ type: "ended", jobNumber: 0, state: "done" }]);
    expect(await following.ended).toMatchObject({ code: 0, stderr: "" });
    await next.journal.close();
  });

  it("stops following when the driver dies", async () => {
    const journal = await lead("job-001");
    await journal.append([console(0, "hello")]);
    const following = startKinglet(["logs", "job-001", "-f"], { cwd: folder.path });
    await following.printed(/hello/);
    await store.delete([driverKey("driver-of-job-001")]);
    expect(await following.ended).toMatchObject({ code: 0 });
    await journal.close();
  });
});

describe("kinglet cancel", () => {
  it("marks the job of a dead driver, which then is cancelled for everyone", async () => {
    await writeJournal(store, { id: "job-001", jobs: [{ drawn: 4, done: 1 }], deadLease: true });
    const ran = await kinglet(["cancel", "job-001"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stdout: "Cancelled job job-001.\n", stderr: "" });
    const job = (await readJournal(store, "job-001")).jobs.get(0)!;
    expect(job).toMatchObject({ ended: { state: "cancelled", reason: "kinglet cancel" }, committedCount: 1 });
    const again = await kinglet(["cancel", "job-001"], { cwd: folder.path });
    expect(again).toMatchObject({ code: 0, stderr: "Job job-001 has ended already: cancelled.\n" });
  });

  it("cancels one call of pool.run and leaves the others", async () => {
    await writeJournal(store, { id: "runs-001", jobs: [1, 2, 3].map((number) => ({ number, drawn: 1 })) });
    expect((await kinglet(["cancel", "runs-001.2"], { cwd: folder.path })).stdout).toBe(
      "Cancelled job runs-001.2.\n",
    );
    const ended = async () =>
      [...(await readJournal(store, "runs-001")).jobs.values()].map((job) => job.ended?.state);
    expect(await ended()).toEqual([undefined, "cancelled", undefined]);
    expect((await kinglet(["cancel", "runs-001"], { cwd: folder.path })).stdout).toBe(
      "Cancelled 2 runs of runs-001.\n",
    );
    expect(await ended()).toEqual(["cancelled", "cancelled", "cancelled"]);
  });
});
