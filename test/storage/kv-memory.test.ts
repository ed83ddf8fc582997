import { openMemoryKeyValueStore } from "../../src/storage/kv/memory.ts";
import { describeKeyValueStore } from "../conformance/key-value-store.ts";

describeKeyValueStore("memory", async () => ({ store: openMemoryKeyValueStore() }), {
  capabilities: { durable: false, shared: false },
  histories: 100,
});
