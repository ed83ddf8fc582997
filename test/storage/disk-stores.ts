import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { type DiskStoreOptions, openDiskStore } from "../../src/storage/disk.ts";
import type { OpenedStore, SuiteOptions } from "../conformance/object-store.ts";

/** For processes of the conformance suite. */
export function openStore(root: string): ObjectStore {
  return openDiskStore(root);
}

/** A store in a new temporary folder. */
export function newDiskStore(options?: DiskStoreOptions): OpenedStore & { readonly root: string } {
  const parent = newFolder();
  const root = path.join(parent, "store");
  return {
    root,
    store: openDiskStore(root, options),
    reopen: async () => openDiskStore(root, options),
    module: { url: import.meta.url, argument: root },
    cleanUp: async () => rmSync(parent, { recursive: true, force: true }),
  };
}

export function newFolder(): string {
  return mkdtempSync(path.join(os.tmpdir(), "kinglet-test-"));
}

export const DISK_SUITE: SuiteOptions = {
  capabilities: { append: "native", putIfAbsent: true, durable: true, checksums: true },
  sharing: { handles: true, processes: true },
};
