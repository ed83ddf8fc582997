import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { FrameLocation, Journal } from "../../src/job/journal.ts";
import { readJournal } from "../../src/job/journal-reader.ts";
import type { JournalRecord } from "../../src/job/records.ts";
import { JournalQueue, type WriteResult } from "../../src/scheduler/journal-queue.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { SchedulerBench } from "./scheduler-bench.ts";

/** The journal with some of its methods replaced. */
function altered(journal: Journal, methods: Partial<Journal>): Journal {
  return {
    id: journal.id,
    epoch: journal.epoch,
    prefix: journal.prefix,
    dataPrefix: journal.dataPrefix,
    store: journal.store,
    append: (records) => journal.append(records),
    confirm: () => journal.confirm(),
    sync: () => journal.sync(),
    roll: (nowMs) => journal.roll(nowMs),
    close: () => journal.close(),
    read: (location) => journal.read(location),
    ...methods,
  };
}

const FULL = new StoreError("STORE_FULL", "no space left on the device");

describe("outcomes", () => {
  it("are shown after they are recorded, not before", async () => {
    const bench = new SchedulerBench();
    const journal = await bench.journal();
    const recorded: JournalRecord[] = [];
    const job = await bench.submit({
      tasks: 20,
      journal: altered(journal, {
        append: (records) => {
          recorded.push(...records);
          return journal.append(records);
        },
      }),
      onOutcomes: (_run, first, count) => {
        const commit = recorded.findLast((record) => record.type === "commit" && record.first <= first);
        expect(commit).toMatchObject({ first, count });
      },
    });
    await bench.run(job);
    expect(job.outcomes).toHaveLength(20);
  });

  it("aren't shown once another driver leads", async () => {
    const bench = new SchedulerBench();
    const journal = await bench.journal();
    let leads = true;
    const job = await bench.submit({
      tasks: 50,
      taskMs: 10,
      journal: altered(journal, { confirm: () => leads }),
    });
    await bench.pass(100);
    const before = job.outcomes.length;
    expect(before).toBeGreaterThan(5);
    leads = false;
    await bench.run(job);
    expect(job.end).toEqual({ state: "fenced" });
    expect(job.outcomes).toHaveLength(before);
    await bench.pass(100);
    expect(bench.scheduler.stats).toMatchObject({ attempts: 0, jobs: 0 });
  });

  it.each([
    [
      "throws",
      () => {
        throw FULL;
      },
    ],
    ["rejects", () => Promise.reject(FULL)],
  ] as const)("aren't shown where the journal %s, and the job ends with that error", async (_how, fail) => {
    const bench = new SchedulerBench();
    const journal = await bench.journal();
    let broken = false;
    const job = await bench.submit({
      tasks: 50,
      taskMs: 10,
      journal: altered(journal, { append: (records) => (broken ? fail() : journal.append(records)) }),
    });
    await bench.pass(100);
    const before = job.outcomes.length;
    broken = true;
    await bench.run(job);
    expect(job.end).toEqual({ state: "broken", error: FULL });
    expect(job.outcomes).toHaveLength(before);
  });

  it("that the driver makes lie in its own log, after the record's type", async () => {
    const bench = new SchedulerBench();
    const shown: [number, number, string][] = [];
    const job = await bench.submit({
      tasks: 2,
      fates: { 1: ["crash"] },
      options: { retries: 0 },
      onOutcomes: (_run, first, _count, location, skipBytes) => shown.push([first, skipBytes, location.log]),
    });
    await bench.run(job);
    expect(shown.find(([first]) => first === 0)).toMatchObject([0, 0, /^worker-/]);
    expect(shown.find(([first]) => first === 1)).toEqual([1, 1, "driver-0.log"]);
    const folded = (await readJournal(bench.store, "journal")).jobs.get(0)!;
    expect(folded).toMatchObject({ committedCount: 2, failedCount: 1 });
  });
});

describe("starts of tasks that must not run twice", () => {
  it("are recorded before they happen", async () => {
    const bench = new SchedulerBench();
    const journal = await bench.journal();
    const recorded: JournalRecord[] = [];
    const job = await bench.submit({
      tasks: 3,
      options: { idempotent: false },
      journal: altered(journal, {
        append: (records) => {
          expect(bench.attempts.length).toBeLessThanOrEqual(
            recorded.filter((record) => record.type === "event").length,
          );
          recorded.push(...records);
          return journal.append(records);
        },
      }),
    });
    await bench.run(job);
    const starting = recorded.flatMap((record) => (record.type === "event" ? [record.event] : []));
    expect(starting.map(({ kind, first, count }) => [kind, first, count])).toEqual(
      [0, 1, 2].map((i) => ["starting", i, 1]),
    );
    expect(bench.attempts.every(({ invocation }) => invocation.options.flushEachTask)).toBe(true);
  });
});

describe("a closed scheduler", () => {
  it("lets go of its jobs, without an end in the store", async () => {
    const bench = new SchedulerBench();
    const job = await bench.submit({ tasks: 50, taskMs: 10 });
    await bench.pass(100);
    const before = job.outcomes.length;
    await bench.scheduler.close();
    expect(job.end).toEqual({ state: "released" });
    await bench.pass(1000);
    expect(job.outcomes).toHaveLength(before);
    const folded = (await readJournal(bench.store, "journal")).jobs.get(0)!;
    expect(folded.ended).toBeUndefined();
    expect(folded.committedCount).toBe(before);
  });
});

describe("events", () => {
  it("tell of starts, ends, retries and commits, in order", async () => {
    const bench = new SchedulerBench({ slots: 1 });
    const job = await bench.submit({ tasks: 1, fates: { 0: ["crash", "value"] } });
    await bench.run(job);
    expect(job.events).toMatchObject([
      { kind: "drawn", drawn: 1, total: 1 },
      { kind: "attempt-started", attempt: 1, first: 0, count: 1, backup: false },
      {
        kind: "attempt-ended",
        attempt: 1,
        end: "crashed",
        evidence: "simulated crashed",
        startedTask: 0,
        ms: 1,
      },
      { kind: "retry", index: 0, because: "crashed", charged: 1, delayMs: 0 },
      { kind: "attempt-started", attempt: 2 },
      { kind: "committed", first: 0, count: 1, failed: 0 },
    ]);
    expect(job.running.counts).toMatchObject({ started: 2, retried: 1, committed: 1 });
  });
});

/** A journal that is asynchronous: its appends wait until they are released. */
function slowJournal(append: "native" | "emulated" = "native") {
  const appends: {
    records: readonly JournalRecord[];
    resolve: () => void;
    reject: (error: Error) => void;
  }[] = [];
  const journal = {
    append: (records: readonly JournalRecord[]) =>
      new Promise<FrameLocation[]>((resolve, reject) => {
        const locations = records.map((_, i) => ({ log: "log", offsetBytes: i, lengthBytes: 1 }));
        appends.push({ records, resolve: () => resolve(locations), reject });
      }),
    confirm: () => true,
    store: { capabilities: { append } } as ObjectStore,
  } as Partial<Journal> as Journal;
  return { journal, appends };
}

/** A driver by whose clock nothing happens until a test says so. */
function queueHost() {
  const timers = new Set<{ readonly delayMs: number; readonly callback: () => void }>();
  return {
    timers,
    running: true,
    clockMs: 0,
    gathering: 0,
    nowMs() {
      return this.clockMs;
    },
    defer: setImmediate,
    after(delayMs: number, callback: () => void) {
      const timer = { delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    mayGather() {
      return this.running;
    },
    gatherMs: (appendMs: number) => 100 + appendMs,
    gathers() {
      this.gathering += 1;
    },
    unused() {},
  };
}

const total = (n: number): JournalRecord => ({ type: "input-complete", jobNumber: 0, total: n });
const totals = (records: readonly JournalRecord[]) =>
  records.map((r) => (r.type === "input-complete" ? r.total : -1));
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("writes to a journal", () => {
  it("gather while the store is busy, and go as one append, in order", async () => {
    const { journal, appends } = slowJournal();
    const queue = new JournalQueue(journal, queueHost());
    const done: number[] = [];
    for (let i = 0; i < 5; i++) queue.write([total(i)], { confirm: true, urgent: false }, () => done.push(i));
    expect(appends.map(({ records }) => totals(records))).toEqual([[0]]);
    appends[0]!.resolve();
    await settled();
    expect(done).toEqual([0]);
    expect(totals(appends[1]!.records)).toEqual([1, 2, 3, 4]);
    appends[1]!.resolve();
    await settled();
    expect(done).toEqual([0, 1, 2, 3, 4]);
  });

  it("tell each of the gathered where its records lie", async () => {
    const { journal, appends } = slowJournal();
    const queue = new JournalQueue(journal, queueHost());
    const places: number[][] = [];
    const note = (result: WriteResult) => {
      if (result.ok) places.push(result.locations.map(({ offsetBytes }) => offsetBytes));
    };
    queue.write([total(0)], { confirm: false, urgent: false }, () => {});
    queue.writeLater(total(9));
    queue.write([total(1), total(2)], { confirm: false, urgent: false }, note);
    queue.write([total(3)], { confirm: false, urgent: false }, note);
    appends[0]!.resolve();
    await settled();
    expect(totals(appends[1]!.records)).toEqual([9, 1, 2, 3]);
    appends[1]!.resolve();
    await settled();
    expect(places).toEqual([[1, 2], [3]]);
  });

  it("fail all alike after one has failed: what follows a torn record would never be read", async () => {
    const { journal, appends } = slowJournal();
    const queue = new JournalQueue(journal, queueHost());
    const results: unknown[] = [];
    queue.write([total(0)], { confirm: true, urgent: false }, (result) => results.push(result));
    queue.write([total(1)], { confirm: true, urgent: false }, (result) => results.push(result));
    appends[0]!.reject(FULL);
    await settled();
    queue.write([total(2)], { confirm: true, urgent: false }, (result) => results.push(result));
    const broken = { ok: false, why: "broken", error: FULL };
    expect(results).toEqual([broken, broken, broken]);
    expect(appends).toHaveLength(1);
  });

  it("that nothing waits for go in the next turn, and idle() waits for them", async () => {
    const { journal, appends } = slowJournal();
    const queue = new JournalQueue(journal, queueHost());
    queue.writeLater(total(1));
    expect(appends).toEqual([]);
    await settled();
    expect(totals(appends[0]!.records)).toEqual([1]);
    let idle = false;
    const waiting = queue.idle().then(() => {
      idle = true;
    });
    await settled();
    expect(idle).toBe(false);
    appends[0]!.resolve();
    await waiting;
  });
});

describe("writes to a journal whose appends are requests", () => {
  const records = (appends: readonly { records: readonly JournalRecord[] }[]) =>
    appends.map((append) => totals(append.records));
  const lazily = { confirm: true, urgent: false };

  it("gather for a while, as long as attempts are under way", async () => {
    const { journal, appends } = slowJournal("emulated");
    const host = queueHost();
    const queue = new JournalQueue(journal, host);
    for (let i = 0; i < 3; i++) queue.write([total(i)], lazily, () => {});
    expect([records(appends), host.gathering]).toEqual([[], 1]);
    const [timer] = host.timers;
    expect(timer!.delayMs).toBe(100);
    host.clockMs = 40; // the append will take so long
    timer!.callback();
    expect(records(appends)).toEqual([[0, 1, 2]]);
    host.clockMs = 70;
    appends[0]!.resolve();
    await settled();
    queue.write([total(3)], lazily, () => {});
    expect([...host.timers].at(-1)!.delayMs).toBe(130);
  });

  it("go at once with an urgent one, and all that had gathered with it", () => {
    const { journal, appends } = slowJournal("emulated");
    const host = queueHost();
    const queue = new JournalQueue(journal, host);
    queue.write([total(0)], lazily, () => {});
    queue.write([total(1)], { confirm: true, urgent: true }, () => {});
    expect(records(appends)).toEqual([[0, 1]]);
    expect(host.timers.size).toBe(0);
  });

  it("go at once where nothing is running, or once nothing is", () => {
    const { journal, appends } = slowJournal("emulated");
    const host = queueHost();
    const queue = new JournalQueue(journal, host);
    queue.write([total(0)], lazily, () => {});
    expect(appends).toEqual([]);
    queue.hurry();
    expect(records(appends)).toEqual([[0]]);
    const other = slowJournal("emulated");
    host.running = false;
    new JournalQueue(other.journal, host).write([total(0)], lazily, () => {});
    expect(records(other.appends)).toEqual([[0]]);
  });

  it("take along what tasks printed, rather than a request of its own for it", async () => {
    const { journal, appends } = slowJournal("emulated");
    const queue = new JournalQueue(journal, queueHost());
    queue.writeLater(total(7));
    await settled();
    expect(appends).toEqual([]);
    queue.write([total(1)], { confirm: true, urgent: true }, () => {});
    expect(records(appends)).toEqual([[7, 1]]);
  });

  it("are all written when the driver closes", async () => {
    const { journal, appends } = slowJournal("emulated");
    const queue = new JournalQueue(journal, queueHost());
    queue.write([total(0)], lazily, () => {});
    queue.writeLater(total(1));
    const idle = queue.idle();
    appends[0]!.resolve();
    await idle;
    expect(records(appends)).toEqual([[1, 0]]);
  });
});
