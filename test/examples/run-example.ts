import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const hook = path.join(import.meta.dirname, "kinglet-of-sources.mjs");
/** Workers that don't see the repository. */
const isolated = path.join(import.meta.dirname, "isolated-kinglet.mjs");

export interface ExampleEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-example-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `node examples/<name>` in the repository's folder, with two workers and a store of its own. */
export function runExample(
  name: string,
  args: readonly string[] = [],
  storage: string = temporaryFolder(),
  onElsewhere = false,
): Promise<ExampleEnd> {
  const { NODE_OPTIONS: _, VITEST: __, ...inherited } = process.env;
  const child = spawn(
    process.execPath,
    ["--import", onElsewhere ? isolated : hook, path.join(root, "examples", name), ...args],
    {
      cwd: root,
      env: { ...inherited, KINGLET_STORAGE: storage, KINGLET_CONCURRENCY: "2", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  onTestFinished(() => void child.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
