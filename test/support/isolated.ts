import { execFileSync } from "node:child_process";
import { mkdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { createLocalBackend } from "../../src/compute/local/backend.ts";
import type { PoolOptions } from "../../src/index.ts";
import { openOn, type Pool } from "../../src/pool.ts";

const REPOSITORY = path.resolve(import.meta.dirname, "../..");

let namespaces: boolean | undefined;

/** Whether workers can be put where they don't see the repository; says loudly if not. */
export function hasNamespaces(): boolean {
  if (namespaces !== undefined) return namespaces;
  try {
    execFileSync("unshare", ["--mount", "true"], { stdio: "ignore" });
    namespaces = true;
  } catch {
    namespaces = false;
    const message = "NOT TESTED in mount namespaces: `unshare --mount` isn't allowed here (it takes root)";
    if (process.env["CI"]) throw new Error(message);
    console.warn(`${message}. Modules come from code packages all the same.`);
  }
  return namespaces;
}

/** A pool whose workers, processes of this machine, don't see its files: code and data travel as to another one. */
export function openIsolatedPool(options: PoolOptions = {}): Pool {
  return openOn(options, ({ concurrency = 2 }, store) => {
    if (store.kind === "disk") mkdirSync(store.root, { recursive: true });
    const isHidden = hasNamespaces() && store.kind === "disk";
    if (isHidden) {
      process.env["KINGLET_TEST_REPOSITORY"] = REPOSITORY;
      process.env["KINGLET_TEST_STORE"] = realpathSync(store.root);
      process.env["KINGLET_TEST_NODE"] = process.execPath;
    }
    const compute = createLocalBackend({
      store,
      slots: concurrency * 9,
      warm: true,
      target: { platform: "linux", arch: process.arch === "arm64" ? "arm64" : "x64", node: "24" },
      // Loaders of the driver aren't there.
      execArgv: ["--disable-warning=ExperimentalWarning"],
      ...(isHidden ? { execPath: path.join(import.meta.dirname, "isolated-node.sh") } : {}),
    });
    return { compute, slots: concurrency };
  });
}
