import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findBinary, requireBinary } from "./binaries.ts";

/** A server of ours that runs in the foreground. It dies with this process, however that one dies (Linux). */
export interface Daemon {
  readonly name: string;
  readonly pid: number;
  /** Undefined while it runs; then how it ended, with its last lines. */
  ended(): string | undefined;
  /** Ends it at once: what it holds is thrown away anyhow. */
  stop(): Promise<void>;
}

export interface DaemonOptions {
  /** Holds its output: `<name>.out`. */
  readonly folder: string;
  readonly env?: Record<string, string>;
}

export function startDaemon(name: string, args: readonly string[], options: DaemonOptions): Daemon {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const outputFile = path.join(options.folder, `${path.basename(name)}.out`);
  const output = openSync(outputFile, "a", 0o600);
  // The kernel kills it when its parent is gone: even `kill -9` of the parent leaves nothing behind.
  const guard = findBinary("setpriv");
  const command = [...(guard ? [guard, "--pdeathsig", "KILL"] : []), requireBinary(name), ...args];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", output, output],
    cwd: options.folder,
    env: { ...process.env, ...options.env },
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  return {
    name,
    pid: child.pid ?? -1,
    ended: () => (hasEnded(child) ? `${name} ended with ${endOf(child)}\n${tail(outputFile)}` : undefined),
    stop: async () => {
      if (child.pid === undefined) return;
      child.kill("SIGKILL");
      await exited;
    },
  };
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const endOf = ({ exitCode, signalCode }: ChildProcess): string =>
  signalCode ? `signal ${signalCode}` : `exit code ${exitCode}`;

function tail(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}

/** Resolves when `isReady`. @throws Error if one of the daemons ends before, or after `limitMs` */
export async function waitUntil(
  what: string,
  isReady: () => Promise<boolean>,
  daemons: readonly Daemon[],
  limitMs = 120_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await isReady())) {
    for (const daemon of daemons) {
      const end = daemon.ended();
      if (end) throw new Error(`${what} can't start: ${end}`);
    }
    if (performance.now() > endMs) throw new Error(`${what} wasn't ready within ${limitMs} ms`);
    await delay(50);
  }
}

const execute = promisify(execFile);

/** Runs a program to its end. @returns its stdout @throws Error with its stderr */
export async function run(name: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout } = await execute(requireBinary(name), args, { cwd, timeout: 60_000 });
  return stdout;
}
