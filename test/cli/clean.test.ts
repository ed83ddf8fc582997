import { beforeEach, describe, expect, it } from "vitest";
import { deletePlanned, type JournalFacts, planClean } from "../../src/cli/clean-plan.ts";
import { addReferences, noReferences } from "../../src/cli/references.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import {
  archiveKey,
  CANCELS,
  cancelFlagKey,
  codeKey,
  driverKey,
  functionKey,
  journalPrefix,
  NAMED,
  NAMES,
  uploadKey,
  valueKey,
} from "../../src/job/keys.ts";
import { newLease, writeLease } from "../../src/job/lease.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { Folder, kinglet } from "./kinglet.ts";
import { hashOf, type WrittenJob, writeJournal } from "./written-jobs.ts";

const clock = { nowMs: () => Date.now(), after: () => () => {} };
const done: WrittenJob = { drawn: 2, done: 2, ended: "done" };
const withFunction = (letter: string) => ({ meta: { functionHash: hashOf(letter) } });

let store: ObjectStore;
beforeEach(() => {
  store = openMemoryStore();
});

async function keys(prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}

/** Plans and deletes the journals of these ids. */
async function clean(...ids: string[]) {
  const plan = await planClean(store, ({ id }) => ids.includes(id), clock);
  const deleted = await deletePlanned(store, plan, clock);
  return {
    ids: deleted.journals.map(({ id }) => id),
    kept: deleted.kept,
    functions: deleted.functions.length,
  };
}

describe("cleaning", () => {
  it("deletes a job with its logs, its function and its name, and nothing else", async () => {
    await writeJournal(store, { id: "old-001", jobs: [{ ...done, ...withFunction("b") }] });
    await writeJournal(store, { id: "new-001", jobs: [{ ...done, ...withFunction("c") }] });
    await store.put(`${NAMES}sweep-123456789abc/${"b".repeat(16)}/old-001`, Buffer.from(""));
    await store.put(`${NAMES}sweep-123456789abc/${"c".repeat(16)}/new-001`, Buffer.from(""));
    await store.put(`${NAMED}mine.txt`, Buffer.from("the user's own"));
    const before = await keys();
    expect(await clean("old-001")).toEqual({ ids: ["old-001"], kept: [], functions: 1 });
    const left = before.filter((key) => !key.includes("old-001") && key !== functionKey(hashOf("b")));
    expect(await keys()).toEqual(left);
    expect(left).toContain(`${NAMED}mine.txt`);
    expect((await readJournal(store, "new-001")).jobs.get(0)).toMatchObject({ committedCount: 2 });
  });

  it("deletes code packages with their archives, and uploaded files, that no other job needs", async () => {
    const packed = (letter: string, archive: string) =>
      store.put(codeKey(hashOf(letter)), Buffer.from(`{"format":1,"archives":["${hashOf(archive)}"]}\n…`));
    const code = (letter: string) => ({ meta: { code: `${codeKey(hashOf(letter))}#file:///x/` } });
    await Promise.all([packed("c", "1"), packed("d", "2"), packed("e", "2")]);
    for (const letter of ["1", "2"]) await store.put(archiveKey(hashOf(letter)), Buffer.from("…"));
    for (const letter of ["3", "4"]) await store.put(uploadKey(hashOf(letter)), Buffer.from("…"));
    const upload = (letter: string) => JSON.stringify({ path: "/x/a.txt", key: uploadKey(hashOf(letter)) });
    await writeJournal(store, { id: "old-001", jobs: [{ ...done, ...code("c"), item: upload("3") }] });
    await writeJournal(store, { id: "old-002", jobs: [{ ...done, ...code("d") }] });
    await writeJournal(store, { id: "new-001", jobs: [{ ...done, ...code("e"), item: upload("4") }] });
    await clean("old-001", "old-002");
    expect(await keys("code/")).toEqual([archiveKey(hashOf("2")), codeKey(hashOf("e"))]);
    expect(await keys("uploads/")).toEqual([uploadKey(hashOf("4"))]);
  });

  it("keeps a function that another job has, too", async () => {
    await writeJournal(store, { id: "old-001", jobs: [done] });
    await writeJournal(store, { id: "new-001", jobs: [done] });
    expect(await clean("old-001")).toMatchObject({ functions: 0 });
    expect(await keys("functions/")).toEqual([functionKey(hashOf("a"))]);
  });

  it.each([
    ["by an outcome's place", (id: string) => `{"logKey":"journals/${id}/worker-w1.log","offsetBytes":0}`],
    ["by its id alone", (id: string) => `attach ${id}`],
    [
      "in a string of two bytes a character",
      (id: string) => Buffer.from(`漢 ${id}`, "utf16le").toString("latin1"),
    ],
  ])("keeps a job that another job's items refer to %s", async (_how, mention) => {
    const id = "261121-035312-k3f9x2ab";
    await writeJournal(store, { id, jobs: [done] });
    await writeJournal(store, { id: "user-001", jobs: [{ drawn: 3, item: mention(id) }] });
    expect(await clean(id)).toMatchObject({ ids: [], kept: [{ id, why: "job user-001 refers to it" }] });
    expect(await clean(id, "user-001")).toMatchObject({ ids: [id, "user-001"] });
  });

  it("keeps a job that another job refers to by way of a third one, or of its function", async () => {
    const [first, second] = ["261121-000000-aaaaaaaa", "261121-000000-bbbbbbbb"] as const;
    await writeJournal(store, { id: first, jobs: [done] });
    await writeJournal(store, { id: second, jobs: [{ ...done, ...withFunction("b") }] });
    await store.delete([functionKey(hashOf("b"))]);
    await store.put(functionKey(hashOf("b")), Buffer.from(`captured: attach("${first}")`));
    await writeJournal(store, {
      id: "user-001",
      jobs: [{ drawn: 1, item: `journals/${second}/worker-w1.log` }],
    });
    expect(await clean(first, second)).toEqual({
      ids: [],
      functions: 0,
      kept: [
        { id: second, why: "job user-001 refers to it" },
        { id: first, why: `job ${second} refers to it` },
      ],
    });
  });

  it("keeps broadcast values that a staying job's items, outcomes, objects or function mention", async () => {
    for (const letter of ["1", "2", "3", "4"])
      await store.put(valueKey(hashOf(letter)), Buffer.from("value"));
    await writeJournal(store, {
      id: "user-001",
      jobs: [{ ...done, item: `values/${hashOf("1")}`, ...withFunction("b") }],
    });
    await store.put(`${journalPrefix("user-001")}objects/o1`, Buffer.from(`big ${hashOf("2")}`));
    await store.delete([functionKey(hashOf("b"))]);
    await store.put(functionKey(hashOf("b")), Buffer.from(`holds ${hashOf("3")}`));
    const plan = await planClean(store, () => false, clock);
    expect(plan.values).toEqual([valueKey(hashOf("4"))]);
  });

  it("keeps broadcast values that others hold, and looks into no plain data", async () => {
    const graph = (text: string) => Buffer.from(`\xc1\xe2\0\0\0\0\0\0${text}`, "latin1");
    const plain = (text: string) => Buffer.from(`\xc1\xe1\0\0\0\0\0\0${text}`, "latin1");
    await store.put(valueKey(hashOf("1")), graph(`values/${hashOf("2")}`));
    await store.put(valueKey(hashOf("2")), graph(`values/${hashOf("3")}`));
    await store.put(valueKey(hashOf("3")), plain(hashOf("4")));
    await store.put(valueKey(hashOf("4")), plain("value"));
    await writeJournal(store, { id: "user-001", jobs: [{ ...done, item: `values/${hashOf("1")}` }] });
    const plan = await planClean(store, () => false, clock);
    expect(plan.values).toEqual([valueKey(hashOf("4"))]);
  });

  it("finds a mention that lies across the pieces in which an object is read", async () => {
    const text = Buffer.from(`${"x".repeat(300)}${hashOf("d")} journals/job-00001/worker ${"x".repeat(300)}`);
    for (const pieceBytes of [1, 7, 64, 100, 301, 340]) {
      const found = noReferences();
      store.getStream = async function* () {
        for (let at = 0; at < text.length; at += pieceBytes) yield text.subarray(at, at + pieceBytes);
      };
      await addReferences(store, "an object", found);
      expect([[...found.hashes], [...found.journals]]).toEqual([[hashOf("d")], ["job-00001"]]);
    }
  });

  it("never touches a job whose driver lives, nor functions and values meanwhile", async () => {
    await writeJournal(store, { id: "live-001", jobs: [done], livingPid: process.pid });
    await writeJournal(store, { id: "old-001", jobs: [{ ...done, ...withFunction("b") }] });
    expect(await clean("live-001", "old-001")).toEqual({
      ids: ["old-001"],
      kept: [{ id: "live-001", why: "its driver is still working" }],
      functions: 0,
    });
    expect(await keys("functions/")).toContain(functionKey(hashOf("b")));
  });

  it("leaves a journal alone that a driver took up after the plan was made", async () => {
    await writeJournal(store, { id: "old-001", jobs: [done] });
    const plan = await planClean(store, () => true, clock);
    await writeLease(store, newLease("driver-of-old-001", clock));
    const deleted = await deletePlanned(store, plan, clock);
    expect(deleted).toMatchObject({ journals: [], kept: [{ id: "old-001" }], functions: [] });
    expect(await readJournal(store, "old-001")).toBeDefined();
  });

  it("puts a function back that a driver, just starting, may have seen", async () => {
    await writeJournal(store, { id: "old-001", jobs: [done] });
    const plan = await planClean(store, () => true, clock);
    const key = functionKey(hashOf("a"));
    const { delete: plainDelete } = Object.getPrototypeOf(store) as ObjectStore;
    store.delete = async (gone) => {
      await plainDelete.call(store, gone);
      if (gone.includes(key)) await writeLease(store, newLease("starting", clock));
    };
    expect(await deletePlanned(store, plan, clock)).toMatchObject({ functions: [] });
    expect(Buffer.from(await store.get(key)).toString()).toBe("a function");
  });

  it("deletes what asked dead drivers to cancel something, and only that", async () => {
    await writeLease(store, newLease("living", clock as never));
    for (const driverId of ["living", "dead"]) await store.put(cancelFlagKey(driverId), Buffer.from("{}"));
    await clean();
    expect(await keys(CANCELS)).toEqual([cancelFlagKey("living")]);
  });

  it("deletes intermediate objects of dataflow that no job speaks of any more", async () => {
    const [old, staying] = ["0123456789abcdef", "fedcba9876543210"];
    const prefixOf = (id: string) => `${NAMED}dataflow/${id}`;
    await writeJournal(store, { id: "old-001", jobs: [{ ...done, item: `dataflow/${old}` }] });
    await writeJournal(store, { id: "int-001", jobs: [{ drawn: 1, item: `dataflow/${staying}` }] });
    const mine = [`${NAMED}dataflow/mine.txt`, `${NAMED}dataflow/${"0".repeat(15)}/map/1`];
    const theirs = [old, staying].flatMap((id) => [`${prefixOf(id)}/map/0-a`, `${prefixOf(id)}/step-3/1-b`]);
    for (const key of [...mine, ...theirs]) await store.put(key, Buffer.from("pairs"));
    await writeJournal(store, { id: "live-001", jobs: [done], livingPid: process.pid });
    await clean("old-001");
    expect(await keys(NAMED)).toEqual([...mine, ...theirs].sort());
    await store.delete([driverKey("driver-of-live-001")]);
    await clean();
    expect(await keys(NAMED)).toEqual([...mine, ...theirs.filter((key) => key.includes(staying))].sort());
    await clean("int-001");
    expect(await keys(NAMED)).toEqual([...mine].sort());
  });

  it("deletes the leases of dead drivers, and only those", async () => {
    await writeJournal(store, { id: "dead-001", jobs: [{ drawn: 1 }], deadLease: true });
    await writeJournal(store, { id: "live-001", jobs: [{ drawn: 1 }], livingPid: process.pid });
    await clean();
    expect(await keys("drivers/")).toEqual([driverKey("driver-of-live-001")]);
  });

  it("tells ended, interrupted and running jobs apart, and leaves a journal that is just being made", async () => {
    await writeJournal(store, { id: "end-001", jobs: [done] });
    await writeJournal(store, { id: "int-001", jobs: [done, { number: 1, drawn: 1 }] });
    await writeJournal(store, { id: "run-001", jobs: [done], livingPid: process.pid });
    await store.put(`${journalPrefix("new-001")}objects/o`, Buffer.from(""));
    const seen: JournalFacts[] = [];
    const look = (journal: JournalFacts) => seen.push(journal) < 0;
    await planClean(store, look, clock);
    expect(Object.fromEntries(seen.map(({ id, condition }) => [id, condition]))).toEqual({
      "end-001": "ended",
      "int-001": "interrupted",
      "run-001": "running",
      "new-001": "running",
    });
  });
});

describe("kinglet clean", () => {
  it("keeps what is young or interrupted unless told otherwise, and says what it does", async () => {
    const folder = new Folder();
    const run = (...args: string[]) => kinglet(["clean", ...args], { cwd: folder.path });
    try {
      store = openDiskStore(folder.file(".kinglet"));
      await writeJournal(store, { id: "end-001", jobs: [done] });
      await writeJournal(store, { id: "int-001", jobs: [{ drawn: 2, done: 1 }] });
      expect(await run()).toMatchObject({ code: 0, stdout: "freed 0 B\n", stderr: "" });
      const dry = await run("--all", "--dry-run");
      expect(dry.stdout).toMatch(/^would delete job end-001 \(ended, \d+ B\)\nwould free \d+ B\n$/);
      expect(await run("--older-than", "0s")).toMatchObject({
        code: 0,
        stdout: dry.stdout.replaceAll("would delete", "deleted").replace("would free", "freed"),
      });
      expect((await run("int-001.3")).code).toBe(2);
      const named = await run("int-001", "--json");
      expect(JSON.parse(named.stdout)).toMatchObject({
        jobs: ["int-001"],
        functions: 1,
        values: 0,
        code: 0,
        uploads: 0,
        leases: 0,
        kept: [],
      });
      expect(await keys("journals/")).toEqual([]);
    } finally {
      await store.close();
      folder.remove();
    }
  });

  it("ends with 1 where a job that was named has to stay", async () => {
    const folder = new Folder();
    try {
      store = openDiskStore(folder.file("objects"));
      await writeJournal(store, { id: "live-001", jobs: [done], livingPid: process.pid });
      const ran = await kinglet(["clean", "live-001", "--storage", "objects"], { cwd: folder.path });
      expect(ran).toMatchObject({ code: 1, stderr: "kept live-001: its driver is still working\n" });
    } finally {
      await store.close();
      folder.remove();
    }
  });
});
