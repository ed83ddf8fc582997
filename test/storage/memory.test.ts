import { openMemoryStore } from "../../src/storage/memory.ts";
import { describeObjectStore } from "../conformance/object-store.ts";

describeObjectStore("memory", async () => ({ store: openMemoryStore() }), {
  capabilities: { append: "native", putIfAbsent: true, durable: false },
  sharing: { handles: "each has memory of its own", processes: "it lives in one process" },
});
