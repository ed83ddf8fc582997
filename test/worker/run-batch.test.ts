import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import {
  ENTRY_OBJECT,
  ENTRY_OUTCOME,
  ENTRY_OUTCOMES,
  ENTRY_THREW,
  ENTRY_UNSERIALIZABLE,
  ENTRY_VALUE,
  Run,
} from "../../src/job/entries.ts";
import { readFrame } from "../../src/job/log-reader.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import type { TaskContext } from "../../src/worker/context.ts";
import { BareWorker, codec, InputEntry } from "./worker-parts.ts";

const kinds = (worker: BareWorker) => worker.outcomes().map((entry) => entry.kind);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a batch", () => {
  it("runs its tasks in order and commits them with one write", async () => {
    const worker = new BareWorker();
    const end = await worker.run(
      (x: number, ctx: TaskContext) => [x, ctx.index],
      ["a", "b", "c"],
      {},
      { first: 10 },
    );
    expect(end).toEqual({ kind: "ok" });
    expect(worker.values()).toEqual([
      ["a", 10],
      ["b", 11],
      ["c", 12],
    ]);
    expect(worker.reports).toHaveLength(1);
    expect(worker.reports[0]).toMatchObject({
      first: 10,
      count: 3,
      location: { log: "worker-w1.log", offsetBytes: 0 },
    });
  });

  it("has stored what it reports, where it says", async () => {
    const worker = new BareWorker();
    await worker.run((x: number) => x + 1, [1, 2]);
    await worker.run((x: number) => x + 1, [3, 4], {}, { first: 2 });
    for (const { location, run } of worker.reports) {
      const { log, offsetBytes, lengthBytes } = location!;
      const stored = await readFrame(worker.store, `journals/aaaaaa/${log}`, offsetBytes, lengthBytes);
      expect(Buffer.compare(stored, run)).toBe(0);
    }
  });

  it("writes nothing of outcomes that are short enough to come inline, and the rest as ever", async () => {
    const worker = new BareWorker();
    const keys = async () => {
      const found: string[] = [];
      for await (const { key } of worker.store.list("journals/")) found.push(key);
      return found;
    };
    await worker.run((x: number) => x + 1, [1, 2], { inlineOutcomeBytes: 200 });
    expect(worker.reports).toMatchObject([{ location: undefined, first: 0, count: 2 }]);
    expect(worker.values()).toEqual([2, 3]);
    expect(await keys()).toEqual([]);
    await worker.run((x: number) => "x".repeat(x), [10, 200], { inlineOutcomeBytes: 200 }, { first: 2 });
    expect(worker.reports[1]).toMatchObject({ location: { log: "worker-w1.log", offsetBytes: 0 }, count: 2 });
    expect(await keys()).toEqual(["journals/aaaaaa/worker-w1.log"]);
  });

  it("waits for promises, takes values as they are, and mixes both", async () => {
    const worker = new BareWorker();
    const fn = (x: number) => (x % 2 ? x : x % 4 ? Promise.resolve(x) : pause(1).then(() => x));
    await worker.run(fn, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(worker.values()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("goes on after a task that throws", async () => {
    const worker = new BareWorker();
    const fn = (x: number) => {
      if (x === 1) throw new RangeError("one");
      if (x === 2) throw "just a string";
      if (x === 3) return Promise.reject(new Error("three"));
      return x;
    };
    expect(await worker.run(fn, [0, 1, 2, 3, 4])).toEqual({ kind: "ok" });
    expect(kinds(worker)).toEqual([ENTRY_VALUE, ENTRY_THREW, ENTRY_THREW, ENTRY_THREW, ENTRY_VALUE]);
    const values = worker.values();
    expect(values[1]).toMatchObject({ name: "RangeError", message: "one" });
    expect(values[2]).toBe("just a string");
    expect(values[3]).toMatchObject({ message: "three" });
  });

  it("reports results that can't be sent, with their path", async () => {
    const worker = new BareWorker();
    await worker.run(() => () => "a function", [0]);
    expect(kinds(worker)).toEqual([ENTRY_UNSERIALIZABLE]);
    expect(worker.values()[0]).toMatchObject({
      name: "UnserializableError",
      message: expect.stringContaining("result"),
    });
  });

  it("sends the essentials of an error that holds what can't be sent", async () => {
    const worker = new BareWorker();
    const fn = () => {
      throw Object.assign(new TypeError("no connection"), { code: "ECONNREFUSED", socket: () => {} });
    };
    await worker.run(fn, [0]);
    expect(worker.values()[0]).toMatchObject({
      name: "TypeError",
      code: "ECONNREFUSED",
      message: expect.stringMatching(/^no connection .*error\.socket can't be sent/),
    });
  });

  it("stores big results as objects of their own", async () => {
    const worker = new BareWorker();
    await worker.run((sizeBytes: number) => new Uint8Array(sizeBytes), [10, 100_000]);
    expect(kinds(worker)).toEqual([ENTRY_VALUE, ENTRY_OBJECT]);
    const key = Buffer.from(worker.outcomes()[1]!.body).toString();
    expect(key).toMatch(/^journals\/aaaaaa\/objects\/ww1-\d+$/);
    expect(codec.decode(await worker.store.get(key))).toEqual(new Uint8Array(100_000));
  });

  it("sets the task's environment variables, and puts back what was there", async () => {
    process.env["KINGLET_TEST_KEPT"] = "before";
    const env = { KINGLET_TEST_KEPT: "during", KINGLET_TEST_NEW: "new" };
    const worker = new BareWorker();
    const fn = () => [process.env["KINGLET_TEST_KEPT"], process.env["KINGLET_TEST_NEW"]];
    await worker.run(fn, [0], { env });
    expect(worker.values()).toEqual([["during", "new"]]);
    expect(process.env["KINGLET_TEST_KEPT"]).toBe("before");
    expect("KINGLET_TEST_NEW" in process.env).toBe(false);
  });
});

describe("finished tasks of a batch", () => {
  it("are reported while a later one takes its time", async () => {
    const worker = new BareWorker();
    let release: (value: string) => void = () => {};
    const gate = new Promise<string>((resolve) => {
      release = resolve;
    });
    const progressed = worker.host.progressed;
    Object.assign(worker.host, {
      progressed: (...report: Parameters<typeof progressed>) => {
        progressed(...report);
        release("released");
      },
    });
    // The gate opens when the first two are reported: it would never, if they waited for the third.
    await worker.run((x: number) => (x < 2 ? x : gate), [0, 1, 2]);
    expect(worker.reports.map((report) => report.count)).toEqual([2, 1]);
    expect(worker.values()).toEqual([0, 1, "released"]);
  });

  it("are reported now and then in a long batch", async () => {
    const worker = new BareWorker();
    const fn = () => {
      worker.nowMs += 10;
    };
    await worker.run(
      fn,
      Array.from({ length: 7 }, (_, i) => i),
    );
    expect(worker.reports.map((report) => [report.count, report.busyMs])).toEqual([
      [3, 30],
      [3, 30],
      [1, 10],
    ]);
  });

  it("are reported each at once where that is asked for", async () => {
    const worker = new BareWorker();
    await worker.run((x: number) => x, [0, 1, 2], { flushEachTask: true });
    expect(worker.reports.map((report) => report.count)).toEqual([1, 1, 1]);
  });

  it("are reported before they grow too big for one write", async () => {
    const worker = new BareWorker();
    await worker.run(
      (x: number) => "x".repeat(60_000) + x,
      Array.from({ length: 10 }, (_, i) => i),
    );
    expect(worker.reports.map((report) => report.count)).toEqual([5, 5]);
  });
});

describe("a batch that is to stop", () => {
  it("tells the task that runs, and starts no other", async () => {
    const worker = new BareWorker();
    const fn = (x: number, ctx: TaskContext) => {
      if (x !== 1) return x;
      queueMicrotask(() => worker.control.abort("cancelled"));
      return new Promise((resolve) => ctx.signal.addEventListener("abort", () => resolve(ctx.signal.reason)));
    };
    const end = await worker.run(fn, [0, 1, 2]);
    expect(end).toMatchObject({ kind: "cancelled", startedTask: 1 });
    expect(worker.values()).toEqual([0]);
    expect(worker.started).toEqual([0, 1]);
  });

  it("has an aborted signal also for who looks late", async () => {
    const worker = new BareWorker();
    const seen: boolean[] = [];
    const fn = (_x: number, ctx: TaskContext) => {
      worker.control.abort("cancelled");
      seen.push(ctx.signal.aborted);
    };
    await worker.run(fn, [0]);
    expect(seen).toEqual([true]);
  });

  it("gives each task a signal of its own", async () => {
    const worker = new BareWorker();
    const signals = new Set<AbortSignal>();
    await worker.run((_x: number, ctx: TaskContext) => void signals.add(ctx.signal), [0, 1, 2]);
    expect(signals.size).toBe(3);
  });

  it("looks for orders between synchronous tasks", async () => {
    const worker = new BareWorker();
    worker.onPoll = () => worker.control.abort("cancelled");
    const fn = () => {
      worker.nowMs += 4;
    };
    const end = await worker.run(fn, [0, 1, 2, 3]);
    expect(end).toMatchObject({ kind: "cancelled", startedTask: undefined });
    expect(worker.started).toEqual([0, 1]);
    expect(worker.outcomes()).toHaveLength(2);
  });

  it("counts a task as timed out that ends too late", async () => {
    const worker = new BareWorker();
    const fn = (x: number) => {
      worker.nowMs += x === 1 ? 20 : 19;
      return x;
    };
    const end = await worker.run(fn, [0, 1, 2], { timeoutMs: 20 });
    expect(end).toEqual({ kind: "timed-out", startedTask: 1, evidence: "no outcome within 20 ms" });
    expect(worker.values()).toEqual([0]);
  });
});

describe("inputs that lie in the store", () => {
  it("are read from objects", async () => {
    const worker = new BareWorker();
    await worker.store.put("journals/aaaaaa/objects/x", codec.encode({ big: true }, "item"));
    await worker.run((x: unknown) => x, [new InputEntry(ENTRY_OBJECT, "journals/aaaaaa/objects/x")]);
    expect(worker.values()).toEqual([{ big: true }]);
  });

  it("are outcomes of other tasks: one, all of a job, or settled ones", async () => {
    const worker = new BareWorker();
    const fn = (x: number) => {
      if (x === 3) throw new Error("three");
      return x === 2 ? "x".repeat(70_000) : x * 10;
    };
    await worker.run(fn, [0, 1, 2, 3]);
    const { log, offsetBytes, lengthBytes } = worker.reports.splice(0)[0]!.location!;
    const ref = { logKey: `journals/aaaaaa/${log}`, offsetBytes, lengthBytes };
    const one = (more: object) => new InputEntry(ENTRY_OUTCOME, JSON.stringify({ ...ref, ...more }));
    const list = (...more: object[]) =>
      new InputEntry(ENTRY_OUTCOMES, JSON.stringify(more.map((part) => ({ ...ref, ...part }))));
    const length = (x: unknown): unknown =>
      typeof x === "string" ? x.length : Array.isArray(x) ? x.map(length) : x;
    await worker.run(length, [
      one({ index: 1 }),
      one({ index: 2 }),
      list({ index: 2 }, { index: 0, count: 2 }),
      list({ index: 1, settled: true }, { index: 3, settled: true }),
      one({ index: 3 }),
    ]);
    expect(worker.values()).toEqual([
      10,
      70_000,
      [70_000, 0, 10],
      [
        { status: "fulfilled", value: 10 },
        { status: "rejected", reason: expect.objectContaining({ message: "three" }) },
      ],
      expect.objectContaining({ name: "KingletError", code: "UPSTREAM_FAILED" }),
    ]);
  });

  it("fail their task alone where they are damaged or gone", async () => {
    const worker = new BareWorker();
    const gone = new InputEntry(ENTRY_OBJECT, "journals/aaaaaa/objects/gone");
    expect(await worker.run((x: unknown) => x, [1, gone, 3])).toEqual({ kind: "ok" });
    expect(kinds(worker)).toEqual([ENTRY_VALUE, ENTRY_THREW, ENTRY_VALUE]);
    expect(worker.values()[1]).toMatchObject({ name: "StoreError", code: "NOT_FOUND" });
  });
});

describe("a batch whose function or outcomes the store fails", () => {
  it("is unloadable where the function is damaged", async () => {
    const worker = new BareWorker();
    const key = await worker.add((x: number) => x);
    await worker.store.put(key, Buffer.from("something else"));
    const end = await worker.run((x: number) => x, [1], {}, { functionKey: key });
    if (end.kind !== "unloadable") throw new Error(`ended ${end.kind}`);
    expect(codec.decode(end.error)).toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining(key),
    });
    expect(worker.started).toEqual([]);
  });

  it("is lost, for another try, where the store is away for a while", async () => {
    const store = openMemoryStore();
    const worker = new BareWorker({
      ...bound(store),
      get: async () => {
        throw new StoreError("STORE_UNAVAILABLE", "the store is away");
      },
    });
    const end = await worker.run((x: number) => x, [1]);
    expect(end).toMatchObject({ kind: "lost", evidence: expect.stringContaining("the store is away") });
  });

  it("is lost where its outcomes can't be written, and doesn't use that log again", async () => {
    const store = openMemoryStore();
    let full = true;
    const worker = new BareWorker({
      ...bound(store),
      openLog: async (key: string) => {
        const log = await store.openLog!(key);
        const append: typeof log.append = (chunks) => {
          if (full) throw new StoreError("STORE_FULL", "the disk is full");
          return log.append(chunks);
        };
        return { key, sizeBytes: 0, append, sync: () => log.sync(), close: () => log.close() };
      },
    });
    const end = await worker.run((x: number) => x, [1, 2]);
    expect(end).toMatchObject({
      kind: "lost",
      startedTask: 1,
      evidence: expect.stringContaining("the disk is full"),
    });
    expect(worker.reports).toEqual([]);
    full = false;
    expect(await worker.run((x: number) => x, [1, 2])).toEqual({ kind: "ok" });
    expect(worker.reports[0]!.location!.log).toBe("worker-w1-1.log");
  });
});

describe("what a worker has written", () => {
  it("is one frame a batch, numbered by attempt", async () => {
    const worker = new BareWorker();
    await worker.run((x: number) => x, [1, 2], {}, { first: 4 });
    const run = new Run(worker.reports[0]!.run);
    expect([run.attempt, run.first, run.count, run.allOk]).toEqual([1, 4, 2, true]);
  });
});

/** The store's methods, free of `this`. */
function bound(store: ReturnType<typeof openMemoryStore>): ReturnType<typeof openMemoryStore> {
  return {
    description: store.description,
    capabilities: store.capabilities,
    get: store.get.bind(store),
    getStream: store.getStream.bind(store),
    put: store.put.bind(store),
    head: store.head.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store),
    exists: store.exists.bind(store),
    openLog: store.openLog!.bind(store),
    close: store.close.bind(store),
  };
}
