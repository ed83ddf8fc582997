import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jobsTable, rowsOf } from "../../src/cli/jobs.ts";
import { allJobs, journalIds } from "../../src/cli/journals.ts";
import { claimName, journalPrefix } from "../../src/job/keys.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { Folder, kinglet } from "./kinglet.ts";
import { writeJournal } from "./written-jobs.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 12);
const clock = { nowMs: () => NOW_MS, after: () => () => {} };
const at = (agoMs: number) => ({ createdMs: NOW_MS - agoMs });

describe("the table of jobs", () => {
  it("shows id, function, state, tasks, failures, age and script", async () => {
    const store = openMemoryStore();
    await writeJournal(store, {
      id: "job-00001",
      jobs: [{ drawn: 1234, done: 1234, ended: "done", meta: { ...at(3 * 86_400_000), name: "thumbs" } }],
    });
    await writeJournal(store, {
      id: "job-00002",
      jobs: [{ drawn: 10, done: 4, failed: 1, meta: at(5000) }],
      deadLease: true,
    });
    await writeJournal(store, {
      id: "job-00003",
      jobs: [{ drawn: 40, incomplete: true, meta: { ...at(90_000), functionName: "" } }],
      livingPid: process.pid,
    });
    await writeJournal(store, {
      id: "job-00004",
      jobs: [{ drawn: 2, done: 1, ended: "cancelled", meta: at(0) }],
    });
    expect(jobsTable(rowsOf(await allJobs(store, clock)), clock)).toEqual([
      "ID         FUNCTION       STATE              TASKS  FAILED         AGE  SCRIPT",
      "job-00001  thumbs         done         1,234/1,234       0         3 d  /somewhere/script.ts",
      "job-00002  resize         interrupted         4/10       1       5.0 s  /somewhere/script.ts",
      "job-00003  script.ts:3:5  running            0/40+       0  1 min 30 s  /somewhere/script.ts",
      "job-00004  resize         cancelled            1/2       0        0 ms  /somewhere/script.ts",
    ]);
  });

  it("shows thousands of calls of pool.run as one line, with what most needs a look", async () => {
    const store = openMemoryStore();
    await writeJournal(store, {
      id: "runs-0001",
      jobs: Array.from({ length: 50 }, (_, i) => ({
        number: i + 1,
        drawn: 1,
        done: i === 49 ? 0 : 1,
        failed: i === 7 ? 1 : 0,
        meta: { ...at(1000), functionName: i % 2 ? "odd" : "even" },
        ...(i === 49 ? {} : { ended: i === 7 ? ("failed" as const) : ("done" as const) }),
      })),
    });
    expect(jobsTable(rowsOf(await allJobs(store, clock)), clock)[1]).toBe(
      "runs-0001  even + 1 more (50 runs)  interrupted  49/50       1  1.0 s  /somewhere/script.ts",
    );
  });

  it("obeys no escape sequence of a name", async () => {
    const store = openMemoryStore();
    await writeJournal(store, {
      id: "job-00001",
      jobs: [{ drawn: 1, meta: { ...at(0), functionName: "a\u001b[2Jb\n" } }],
    });
    expect(jobsTable(rowsOf(await allJobs(store, clock)), clock)[1]).toMatch(/^job-00001 {2}ab {8}/);
  });

  it("finds every journal, also where ids begin alike or a driver died before its first record", async () => {
    const store = openMemoryStore();
    const ids = ["jobs-1", "jobs-1-2", "jobs-10", "jobs-10x", "jobs-1a"];
    for (const id of ids) await writeJournal(store, { id, jobs: [{ drawn: 1 }] });
    await store.put(journalPrefix("jobs-2") + claimName(1), Buffer.from("{}"));
    const found: string[] = [];
    for await (const id of journalIds(store)) found.push(id);
    expect(found.sort()).toEqual([...ids, "jobs-2"].sort());
    expect((await allJobs(store, clock)).map(({ id }) => id).sort()).toEqual(ids);
  });
});

describe("kinglet jobs", () => {
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

  it("prints the table of the folder's store", async () => {
    await writeJournal(store, { id: "job-00001", jobs: [{ drawn: 3, done: 3, ended: "done" }] });
    const ran = await kinglet(["jobs"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout.split("\n")).toEqual([
      expect.stringMatching(/^ID +FUNCTION +STATE +TASKS +FAILED +AGE +SCRIPT$/),
      expect.stringMatching(/^job-00001 +resize +done +3\/3 +0 +\S.* +\/somewhere\/script.ts$/),
      "",
    ]);
  });

  it("prints each call of pool.run when its journal is named, and all facts as JSON", async () => {
    const jobs = [1, 2].map((number) => ({ number, drawn: 1, done: 1, ended: "done" as const }));
    await writeJournal(store, { id: "runs-0001", jobs, deadLease: true });
    const ran = await kinglet(["jobs", "runs-0001"], { cwd: folder.path });
    expect(ran.stdout).toMatch(/runs-0001\.1 [\s\S]*runs-0001\.2 /);
    const one = await kinglet(["jobs", "runs-0001.2", "--json"], { cwd: folder.path });
    expect(JSON.parse(one.stdout)).toMatchObject([
      {
        id: "runs-0001.2",
        kind: "run",
        state: "done",
        total: 1,
        done: 1,
        failed: 0,
        inputComplete: true,
        driver: null,
      },
    ]);
  });

  it("says that there are none, and makes no folder to say so", async () => {
    const ran = await kinglet(["jobs", "--storage", "elsewhere"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stdout: "", stderr: `No jobs in ${folder.file("elsewhere")}.\n` });
    expect(existsSync(folder.file("elsewhere"))).toBe(false);
    expect(await kinglet(["jobs", "--json"], { cwd: folder.path })).toMatchObject({ stdout: "[]\n" });
  });

  it.each(["jobs", "logs", "cancel", "resume", "clean"])(
    "%s of a job that isn't there ends with 3",
    async (command) => {
      const ran = await kinglet([command, "261121-035312-k3f9x2ab"], { cwd: folder.path });
      expect(ran.code).toBe(3);
      expect(ran.stderr).toMatch(
        /^kinglet: JOB_NOT_FOUND there is no job "261121-035312-k3f9x2ab": .*\n {4}List them with: kinglet jobs/,
      );
      expect(ran.stderr).not.toMatch(/ {4}at /);
    },
  );
});
