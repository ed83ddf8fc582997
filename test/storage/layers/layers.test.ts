import { withFaults } from "../../../src/storage/layers/faults.ts";
import { withMeter } from "../../../src/storage/layers/meter.ts";
import { withRetry } from "../../../src/storage/layers/retry.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { describeObjectStore } from "../../conformance/object-store.ts";
import { DISK_SUITE, newDiskStore } from "../disk-stores.ts";

const MEMORY_SUITE = {
  capabilities: { append: "native", putIfAbsent: true, durable: false },
  sharing: { handles: "each has memory of its own", processes: "it lives in one process" },
} as const;

/** Not `put`: one of a stream can't be retried. */
const RATES = {
  get: { before: 0.2 },
  getStream: { before: 0.1 },
  head: { before: 0.2 },
  list: { before: 0.2 },
  exists: { before: 0.2 },
  delete: { before: 0.1, after: 0.1 },
} as const;

const noWait = {
  nowMs: () => 0,
  after(_delayMs: number, callback: () => void) {
    queueMicrotask(callback);
    return () => {};
  },
};
let seed = 1;

describeObjectStore("memory, metered", async () => ({ store: withMeter(openMemoryStore()) }), MEMORY_SUITE);
describeObjectStore(
  "memory, with an empty fault plan",
  async () => ({ store: withFaults(openMemoryStore(), { seed: 1 }) }),
  MEMORY_SUITE,
);
describeObjectStore(
  "memory that often fails, retried",
  async () => {
    const faulty = withFaults(openMemoryStore(), { seed: seed++, rates: RATES });
    return { store: withRetry(faulty, { attempts: 30, clock: noWait }) };
  },
  MEMORY_SUITE,
);
describeObjectStore(
  "disk, under all layers",
  async () => {
    const opened = newDiskStore();
    return { ...opened, store: withMeter(withRetry(withFaults(opened.store, { seed: 1 }))) };
  },
  DISK_SUITE,
);
