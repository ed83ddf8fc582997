import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { PATIENCE_MS } from "./patience.ts";

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Finds the processes that this one left behind. */
  readonly tag: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly tag: string;
  readonly finished: Promise<Finished>;
  /** What it printed so far. */
  stdout(): string;
}

/** Runs Node on a script, in an environment of its own; its descendants carry the same tag. */
export function startNode(args: readonly string[], env: Record<string, string> = {}, cwd?: string): Started {
  const tag = randomUUID();
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...withoutTestRunner(process.env), KINGLET_TEST_TAG: tag, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (chunk) => (stdout += chunk));
  child.stderr!.on("data", (chunk) => (stderr += chunk));
  const finished = new Promise<Finished>((resolve) => {
    // "exit", not "close": a worker that is left behind would hold the pipes open.
    child.on("exit", (code, signal) => setImmediate(() => resolve({ code, signal, stdout, stderr, tag })));
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr, tag }));
  });
  return { child, tag, finished, stdout: () => stdout };
}

const withoutTestRunner = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(VITEST|NODE_OPTIONS|TEST$)/.test(name)));

/** Processes, other than this one, whose environment holds the tag (Linux). */
export function processesWith(tag: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [, state] = /^\d+ \(.*\) (\w)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
        return (
          state !== "Z" && readFileSync(`/proc/${pid}/environ`, "latin1").includes(`KINGLET_TEST_TAG=${tag}`)
        );
      } catch {
        return false;
      }
    });
}

/** Resolves when `holds()`; fails with `what` when that takes so long that it hangs. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
