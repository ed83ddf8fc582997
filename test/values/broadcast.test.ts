import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { captureFunction, driverGraphLane } from "../../src/capture/index.ts";
import { restoreFunction, workerGraphLane } from "../../src/capture/restore.ts";
import { createCodec } from "../../src/codec/codec.ts";
import type { AttemptEnd, Invocation } from "../../src/compute/contract.ts";
import { ENTRY_VALUE, Run, RunBuilder } from "../../src/job/entries.ts";
import { functionKey } from "../../src/job/keys.ts";
import { type MeteredStore, withMeter } from "../../src/storage/layers/meter.ts";
import type { StoreLocation } from "../../src/storage/locate.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { Broadcast, broadcast, setBroadcastCodec } from "../../src/values/broadcast.ts";
import { BroadcastValues } from "../../src/values/broadcast-values.ts";
import { registerHandles } from "../../src/values/register.ts";
import { FunctionCache } from "../../src/worker/functions.ts";
import { runBatch } from "../../src/worker/run-batch.ts";
import { drive } from "../../src/worker/steps.ts";
import { rejection, thrown } from "../support/pools.ts";
import { BareWorker } from "../worker/worker-parts.ts";

/** A store that can't be read at once, as one behind a network can't. */
const location = { kind: "far away" } as unknown as StoreLocation;
const driverCodec = createCodec(driverGraphLane());
let store: MeteredStore;
let uploads: Set<() => Promise<unknown>>;

beforeEach(() => {
  registerHandles();
  store = withMeter(openMemoryStore());
  uploads = new Set();
  startProcess();
});
afterEach(() => setBroadcastCodec(driverCodec));

/** What follows happens as in a process that has loaded nothing. */
function startProcess(keptBytes?: number): BroadcastValues {
  const codec = createCodec(workerGraphLane());
  const values = new BroadcastValues(codec, async () => store, keptBytes);
  setBroadcastCodec(codec, values);
  return values;
}

async function shared<T>(value: T): Promise<Broadcast<T>> {
  const handle = broadcast({ codec: driverCodec, store, location, uploads, lease: () => {} }, value);
  await settleUploads();
  return handle;
}

/** What a job that starts does. */
const settleUploads = () => Promise.all([...uploads].map((upload) => upload()));

/** A value as another process gets it. */
const sent = async <T>(value: T): Promise<T> => {
  const bytes = Buffer.concat(driverCodec.encode(value, "item"));
  return (await createCodec(workerGraphLane()).decode(bytes)) as T;
};

const gets = () => store.usage().get?.requests ?? 0;

/** Runs a captured function over items, in a worker without a process. */
async function runTasks(fn: (item: never) => unknown, items: readonly unknown[]): Promise<unknown[]> {
  const worker = new BareWorker(store);
  const captured = captureFunction(fn);
  await store.put(functionKey(captured.hash), captured.bytes);
  const run = new RunBuilder({ jobNumber: 0, attempt: 1, first: 0 });
  for (const item of items) run.add(ENTRY_VALUE, driverCodec.encode(item, "item"));
  const invocation: Invocation = {
    attempt: 1,
    slot: "here",
    job: { journalId: "aaaaaa", number: 0 },
    journalPrefix: "journals/aaaaaa/",
    functionKey: functionKey(captured.hash),
    first: 0,
    count: items.length,
    inputs: Buffer.concat(run.finish()),
    options: {},
  };
  const host = {
    ...worker.host,
    functions: new FunctionCache(store, restoreFunction),
    codecFor: createCodec,
  };
  const end = await new Promise<AttemptEnd>((resolve, reject) => {
    setImmediate(() => drive(runBatch(invocation, host, worker.control), resolve, reject));
  });
  expect(end).toEqual({ kind: "ok" });
  const outcomes = worker.reports.flatMap((report) => {
    const outcome = new Run(report.run);
    return Array.from({ length: outcome.count }, (_, i) => outcome.entry(outcome.first + i));
  });
  return Promise.all(outcomes.map((entry) => driverCodec.decode(entry.body)));
}

describe("a broadcast in a store that can't be read at once", () => {
  it("is there when a function that captured it is called, and fetched once", async () => {
    const table = await shared(new Map([["a", 1]]));
    const before = gets();
    let calls = 0; // a captured variable that is assigned: each task gets captured state of its own
    const results = await runTasks((name: string) => [table.value.get(name), ++calls], ["a", "b", "a"]);
    expect(results).toEqual([
      [1, 1],
      [undefined, 1],
      [1, 1],
    ]);
    expect(gets() - before).toBe(2); // the function and the value
  });

  it("is there when it comes inside an item, and fetched once", async () => {
    const [one, two] = [await shared([1, 2, 3]), await shared("text")];
    const before = gets();
    const items = [{ one, two }, { one, two }, { one }];
    const fn = (item: { one: Broadcast<number[]>; two?: Broadcast<string> }) =>
      `${item.one.value.length} ${item.two?.value}`;
    expect(await runTasks(fn, items)).toEqual(["3 text", "3 text", "3 undefined"]);
    expect(gets() - before).toBe(3);
  });

  it("is stored once by its content", async () => {
    const big = Buffer.alloc(100_000, 7);
    const first = await shared(big);
    const second = await shared(Buffer.alloc(100_000, 7));
    expect(second.key).toBe(first.key);
    expect(store.usage().put?.requests).toBe(1);
    expect(second.value).not.toBe(first.value);
  });

  it("that could not be stored is tried again by the next job", async () => {
    const { put } = store;
    store.put = () => Promise.reject(new Error("away"));
    const handle = broadcast({ codec: driverCodec, store, location, uploads, lease: () => {} }, [1]);
    await expect(settleUploads()).rejects.toThrow("away");
    store.put = put;
    await settleUploads();
    expect(uploads.size).toBe(0);
    expect((await sent(handle)).value).toEqual([1]);
  });

  it("has the bytes that it had when it was made", async () => {
    const bytes = new Uint8Array(100_000).fill(1);
    const handle = broadcast({ codec: driverCodec, store, location, uploads, lease: () => {} }, bytes);
    bytes.fill(2);
    await settleUploads();
    expect((await sent(handle)).value[0]).toBe(1);
  });

  it("is read-only, and one value for all handles of a process", async () => {
    const handle = await shared({ rates: [1, 2] });
    const [a, b] = [await sent(handle), await sent(handle)];
    expect(a.value).toBe(b.value);
    expect(thrown(() => a.value.rates.push(3))).toBeInstanceOf(TypeError);
  });

  it("may hold another broadcast", async () => {
    const inner = await shared([1, 2]);
    const outer = await shared({ inner });
    const arrived = await sent(outer);
    expect(arrived.value.inner.value).toEqual([1, 2]);
  });

  it("is fetched once by tasks that get it at the same time", async () => {
    const handle = await shared([1]);
    const before = gets();
    const all = await Promise.all([sent(handle), sent(handle), sent({ handle })]);
    expect(all.length).toBe(3);
    expect(gets() - before).toBe(1);
  });

  it("that is gone is an error where it is used, with the store's reason", async () => {
    const handle = await shared([1]);
    await store.delete([handle.key]);
    const arrived = await sent(handle);
    expect(thrown(() => arrived.value)).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejection(arrived.load())).toMatchObject({ code: "NOT_FOUND" });
    const results = await runTasks((item: Broadcast<unknown>) => item === undefined, [handle]);
    expect(results).toEqual([false]); // a task that doesn't look at it isn't harmed
  });

  it("that didn't come with a task can be waited for", async () => {
    const { key } = await shared([1]);
    const handle = new Broadcast<number[]>(key, location);
    expect(thrown(() => handle.value)).toMatchObject({
      code: "BAD_ARGUMENT",
      message: expect.stringMatching(/await broadcast\.load\(\)/),
    });
    expect(await handle.load()).toEqual([1]);
    expect(handle.value).toEqual([1]);
  });
});

describe("the values that a process keeps", () => {
  it("are those used last, up to a number of bytes, and the very last in any case", async () => {
    const values = startProcess(2500);
    const keys = ["a", "b", "c"];
    const add = (key: string, sizeBytes: number) => values.add(location, key, [key], sizeBytes).value;
    for (const key of keys.slice(0, 2)) add(key, 1000);
    values.find(location, "a");
    add("c", 1000);
    await collectGarbage();
    expect(keys.map((key) => values.find(location, key)?.value)).toEqual([["a"], undefined, ["c"]]);
    add("d", 1_000_000);
    await collectGarbage();
    expect(["a", "c", "d"].map((key) => values.find(location, key)?.value)).toEqual([
      undefined,
      undefined,
      ["d"],
    ]);
  });

  it("stay beyond that for as long as a handle that used them does", async () => {
    startProcess(10);
    const [one, two] = [await shared(Array.from({ length: 100 }, () => 1)), await shared("x".repeat(100))];
    const held = await sent(one);
    await sent(two);
    await collectGarbage();
    const before = gets();
    const again = await sent(one);
    expect(again.value).toBe(held.value);
    expect(gets()).toBe(before);
  });
});

/** WeakRefs are cleared between turns of the event loop only. */
async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
}
