import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { describeCompute } from "../../conformance/compute.ts";
import { backendOn } from "./backends.ts";
import { openLoopback } from "./loopback.ts";

describeCompute(
  "AWS Lambda, in place",
  async () => {
    const root = mkdtempSync(path.join(os.tmpdir(), "kinglet-lambda-"));
    const store = openDiskStore(root);
    const loopback = await openLoopback();
    return {
      backend: backendOn(loopback, store, { kind: "disk", root }),
      store,
      dispose: async () => {
        await loopback.close();
        await store.close();
        rmSync(root, { recursive: true });
      },
    };
  },
  {},
);
