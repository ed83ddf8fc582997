import { expect, it } from "vitest";
import { withFaults } from "../../../src/storage/layers/faults.ts";
import { withMeter } from "../../../src/storage/layers/meter.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

const bytes = (sizeBytes: number) => new Uint8Array(sizeBytes);

async function* streamOf(...chunks: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

it("a meter counts requests, bytes and failures by operation", async () => {
  const store = withMeter(openMemoryStore());
  await store.put("a", bytes(10));
  await store.put("b", [bytes(5), bytes(6)]);
  await store.put("c", streamOf(bytes(1), bytes(2)));
  await store.get("a");
  await store.get("b", { range: { offsetBytes: 0, lengthBytes: 4 } });
  await expect(store.get("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  for await (const _ of store.getStream("c")) void _;
  for await (const _ of store.list("")) void _;
  await store.head("a");
  store.exists("a");
  expect(() => store.exists("../a")).toThrow();
  const log = await store.openLog!("l");
  await log.append([bytes(7), bytes(8)]);
  await log.sync();
  await store.delete(["a", "b"]);
  const counts = Object.entries(store.usage()).map(([operation, usage]) => {
    return [operation, usage.requests, usage.failures, usage.sizeBytes];
  });
  expect(counts.sort()).toEqual([
    ["append", 1, 0, 15],
    ["delete", 1, 0, 0],
    ["exists", 2, 1, 0],
    ["get", 3, 1, 14],
    ["getStream", 1, 0, 3],
    ["head", 1, 0, 0],
    ["list", 1, 0, 0],
    ["openLog", 1, 0, 0],
    ["put", 3, 0, 24],
    ["sync", 1, 0, 0],
  ]);
});

it("a meter adds up the time spent in the store, and not that of who reads a stream", async () => {
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    after(delayMs: number, callback: () => void) {
      nowMs += delayMs;
      queueMicrotask(callback);
      return () => {};
    },
  };
  const memory = openMemoryStore();
  await memory.put("a", bytes(2_500_000));
  const slow = withFaults(memory, {
    seed: 3,
    rates: { getStream: { delay: 1 }, get: { delay: 1 } },
    maxDelayMs: 100,
    clock,
  });
  const store = withMeter(slow, () => nowMs);
  await store.get("a");
  const gettingMs = nowMs;
  expect(store.usage().get!.elapsedMs).toBe(gettingMs);
  let elsewhereMs = 0;
  for await (const _ of store.getStream("a")) {
    void _;
    nowMs += 1000;
    elsewhereMs += 1000;
  }
  expect(elsewhereMs).toBe(3000);
  expect(store.usage().getStream!.elapsedMs).toBeCloseTo(nowMs - gettingMs - elsewhereMs, 6);
  expect(store.usage().getStream!.elapsedMs).toBeGreaterThan(0);
});

it("what a meter has told doesn't change", async () => {
  const store = withMeter(openMemoryStore());
  await store.put("a", bytes(1));
  const before = store.usage();
  await store.put("a", bytes(1));
  expect([before.put!.requests, store.usage().put!.requests]).toEqual([1, 2]);
});
