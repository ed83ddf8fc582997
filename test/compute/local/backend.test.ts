import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createLocalBackend } from "../../../src/compute/local/backend.ts";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { describeCompute } from "../../conformance/compute.ts";

describeCompute("local processes", async () => {
  const root = mkdtempSync(path.join(os.tmpdir(), "kinglet-local-"));
  const store = openDiskStore(root);
  const backend = createLocalBackend({ store: { kind: "disk", root }, slots: 2 });
  return {
    backend,
    store,
    dispose: async () => {
      await store.close();
      rmSync(root, { recursive: true });
    },
  };
});
