import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { ENTRY_FAILED, ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import { JournalReader, readJournal } from "../../src/job/journal-reader.ts";
import { claimName, driverKey, journalPrefix } from "../../src/job/keys.ts";
import { leaseIsAlive, newLease, writeLease } from "../../src/job/lease.ts";
import type { JournalHeader, JournalRecord } from "../../src/job/records.ts";
import { takeOver } from "../../src/job/takeover.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";

const ID = "260101-000000-abcdefgh";
const identity = (driverId: string) => ({ kinglet: "0", node: "v24", driverId });
const header = (driverId: string): JournalHeader => ({
  ...identity(driverId),
  format: 1,
  epoch: 0,
  createdMs: 0,
});

const job: JournalRecord = {
  type: "job",
  job: {
    number: 0,
    kind: "map",
    functionHash: "f",
    functionName: "fn",
    functionLocation: "a.ts:1:1",
    createdMs: 0,
    options: {},
  },
};

function inputs(first: number, count: number): JournalRecord {
  const run = new RunBuilder({ jobNumber: 0, attempt: 0, first });
  for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from(`item ${first + i}`)]);
  return { type: "inputs", run: Buffer.concat(run.finish()) };
}

const commit = (first: number, count: number, log = "worker-a.log", failed = 0): JournalRecord => ({
  type: "commit",
  jobNumber: 0,
  first,
  count,
  failed,
  location: { log, offsetBytes: 12, lengthBytes: 34 },
});

async function open(store: ObjectStore, driverId = "dead-driver"): Promise<Journal> {
  return createJournal({ store, id: ID, header: header(driverId) });
}

async function committedLogs(store: ObjectStore): Promise<string[]> {
  const state = await readJournal(store, ID);
  return state.jobs
    .get(0)!
    .committed.flatMap(({ first, count, location }) =>
      Array.from({ length: count }, (_, i) => `${first + i}:${location.log}`),
    );
}

describe("a journal", () => {
  it("tells the state of its jobs", async () => {
    const store = openMemoryStore();
    const journal = await open(store);
    await journal.append([job, inputs(0, 4)]);
    await journal.append([
      inputs(4, 2),
      { type: "input-complete", jobNumber: 0, total: 6 },
      commit(2, 3, "worker-a.log", 1),
    ]);
    const state = (await readJournal(store, ID)).jobs.get(0)!;
    expect(state).toMatchObject({
      id: ID,
      drawn: 6,
      total: 6,
      committedCount: 3,
      failedCount: 1,
      ended: undefined,
    });
    expect(state.inputs.map(({ first, count }) => [first, count])).toEqual([
      [0, 4],
      [4, 2],
    ]);
    const frame = await journal.read(state.inputs[1]!.location);
    expect(Buffer.from(frame).toString("latin1")).toContain("item 5");
  });

  it("the first commit of a task decides, also where ranges overlap in part", async () => {
    const store = openMemoryStore();
    const journal = await open(store);
    await journal.append([job, inputs(0, 6), commit(2, 2, "worker-a.log"), commit(0, 6, "worker-b.log")]);
    expect((await committedLogs(store)).sort()).toEqual([
      "0:worker-b.log",
      "1:worker-b.log",
      "2:worker-a.log",
      "3:worker-a.log",
      "4:worker-b.log",
      "5:worker-b.log",
    ]);
  });

  it("outcomes that the driver decides are commits too", async () => {
    const store = openMemoryStore();
    const journal = await open(store);
    const run = new RunBuilder({ jobNumber: 0, attempt: 1, first: 1 });
    run.add(ENTRY_FAILED, [Buffer.from("{}")]);
    await journal.append([job, inputs(0, 2), { type: "outcome", run: Buffer.concat(run.finish()) }]);
    const state = (await readJournal(store, ID)).jobs.get(0)!;
    expect(state.committed).toMatchObject([{ first: 1, count: 1, failed: 1, skipBytes: 1 }]);
  });

  it("skips records of types that a newer Kinglet wrote", async () => {
    const store = openMemoryStore();
    const journal = await open(store);
    await journal.append([job, { type: "header", header: header("x") }]);
    const log = Buffer.from(await store.get(`${journalPrefix(ID)}driver-0.log`));
    expect(log.length).toBeGreaterThan(0);
    const { decodeRecord } = await import("../../src/job/records.ts");
    expect(decodeRecord(Uint8Array.of(99, 1, 2))).toBeUndefined();
  });

  it("that isn't there is NOT_FOUND, with what to do", async () => {
    await expect(readJournal(openMemoryStore(), ID)).rejects.toMatchObject({
      code: "NOT_FOUND",
      remedy: /kinglet jobs/,
    });
  });
});

describe("taking a journal over", () => {
  it("what the old driver showed counts; what it appends afterwards doesn't, and it notices", async () => {
    const store = openMemoryStore();
    const old = await open(store);
    await old.append([job, inputs(0, 3), commit(0, 1, "worker-old.log")]);
    expect(await old.confirm()).toBe(true);

    const { journal, state } = await takeOver(store, ID, identity("new-driver"), systemClock);
    expect(state.jobs.get(0)!.committedCount).toBe(1);
    expect(journal.epoch).toBe(1);

    await old.append([commit(1, 1, "worker-old.log")]);
    expect(await old.confirm()).toBe(false);
    await journal.append([commit(1, 2, "worker-new.log")]);
    expect(await committedLogs(store)).toEqual(["0:worker-old.log", "1:worker-new.log", "2:worker-new.log"]);
  });

  it("only one of several takers wins an epoch", async () => {
    const store = openMemoryStore();
    const old = await open(store);
    await old.append([job, inputs(0, 1)]);
    const takers = await Promise.allSettled(
      ["a", "b", "c"].map((driverId) => takeOver(store, ID, identity(driverId), systemClock)),
    );
    const won = takers.filter((one) => one.status === "fulfilled");
    const lost = takers.filter((one) => one.status === "rejected");
    expect(won).toHaveLength(1);
    for (const one of lost) expect(one.reason).toMatchObject({ code: "JOB_LED_ELSEWHERE" });
  });

  it("a taker that dies between its claim and its seal is taken over in turn", async () => {
    const store = openMemoryStore();
    const old = await open(store);
    await old.append([job, inputs(0, 2), commit(0, 1, "worker-old.log")]);
    await store.put(journalPrefix(ID) + claimName(1), Buffer.from("{}"), { ifAbsent: true });
    expect((await readJournal(store, ID)).unsealed).toBe(true);
    const { journal } = await takeOver(store, ID, identity("third"), systemClock);
    expect(journal.epoch).toBe(2);
    await old.append([commit(1, 1, "worker-old.log")]);
    expect(await old.confirm()).toBe(false);
    await journal.append([commit(1, 1, "worker-third.log")]);
    expect(await committedLogs(store)).toEqual(["0:worker-old.log", "1:worker-third.log"]);
    expect((await readJournal(store, ID)).unsealed).toBe(false);
  });

  it("is refused while its driver lives", async () => {
    const store = openMemoryStore();
    await writeLease(store, newLease("living", systemClock));
    const old = await open(store, "living");
    await old.append([job]);
    await expect(takeOver(store, ID, identity("other"), systemClock)).rejects.toMatchObject({
      code: "JOB_LED_ELSEWHERE",
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await store.delete([driverKey("living")]);
    await expect(takeOver(store, ID, identity("other"), systemClock)).resolves.toBeDefined();
  });
});

describe("reading a journal again while it grows", () => {
  it("sees what is new, and takes back what a seal leaves out", async () => {
    const store = openMemoryStore();
    const old = await open(store);
    await old.append([job, inputs(0, 3), commit(0, 1, "worker-old.log")]);
    const reader = new JournalReader(store, ID);
    const committed = async () => {
      const state = await reader.read();
      const ranges = state.jobs.get(0)!.committed;
      return [ranges.map(({ first, location }) => `${first}:${location.log}`), state.unsealed];
    };
    expect(await committed()).toEqual([["0:worker-old.log"], false]);
    await old.append([commit(1, 1, "worker-old.log")]);
    expect(await committed()).toEqual([["0:worker-old.log", "1:worker-old.log"], false]);

    // Another driver claims; what the old one still appends may not count, and that is said until it is sealed.
    await store.put(journalPrefix(ID) + claimName(1), Buffer.from("{}"), { ifAbsent: true });
    await old.append([commit(2, 1, "worker-old.log")]);
    expect((await committed())[1]).toBe(true);
    expect((await committed())[1]).toBe(true);
    const next = await createJournal({ store, id: ID, header: { ...header("new"), epoch: 1 } });
    const sealed = { "driver-0.log": (await store.head(`${journalPrefix(ID)}driver-0.log`))!.sizeBytes };
    await old.append([commit(2, 1, "worker-too-late.log")]);
    await next.append([{ type: "seal", sealedBytes: sealed }]);
    await next.append([commit(2, 1, "worker-new.log")]);
    expect(await committed()).toEqual([["0:worker-old.log", "1:worker-old.log", "2:worker-old.log"], false]);
  });
});

describe("a driver's lease", () => {
  const clock = { ...systemClock, nowMs: () => 1_000_000 };
  const lease = newLease("d", clock);

  it("of this process is alive", () => {
    expect(leaseIsAlive(lease, clock)).toBe(true);
  });

  it("of a pid that another process has now is not", () => {
    expect(leaseIsAlive({ ...lease, processKey: "another boot:1" }, clock)).toBe(
      process.platform !== "linux",
    );
  });

  it("of a pid that nobody has is not", () => {
    expect(leaseIsAlive({ ...lease, pid: 2 ** 22 + 1 }, clock)).toBe(false);
  });

  it("of another machine lives as long as it is renewed", () => {
    const elsewhere = { ...lease, host: "another-machine" };
    expect(leaseIsAlive(elsewhere, { ...clock, nowMs: () => 1_000_000 + 59_000 })).toBe(true);
    expect(leaseIsAlive(elsewhere, { ...clock, nowMs: () => 1_000_000 + 61_000 })).toBe(false);
  });
});
