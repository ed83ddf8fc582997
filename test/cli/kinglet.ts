import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const MAIN = path.resolve(import.meta.dirname, "../../src/cli/main.ts");
/** What a test's script imports as `kinglet`. */
export const PACKAGE = path.resolve(import.meta.dirname, "../../src/index.ts");

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when what the process has printed so far matches. Rejects if it ends first. */
  printed(pattern: RegExp): Promise<void>;
  readonly ended: Promise<Ran>;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** In place of the command line of the sources. */
  readonly main?: string;
  readonly nodeArgs?: readonly string[];
}

/** Starts the real command line, as a user would, with this process's Node. */
export function startKinglet(args: readonly string[], options: RunOptions): Running {
  return start([...(options.nodeArgs ?? []), options.main ?? MAIN, ...args], options);
}

export const kinglet = (args: readonly string[], options: RunOptions): Promise<Ran> =>
  startKinglet(args, options).ended;

export function start(args: readonly string[], { cwd, env }: RunOptions): Running {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KINGLET_|VITEST|NODE_)/.test(name)),
  );
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...clean, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  const told = () => {
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    told();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    told();
  });
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const printed = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(stdout + stderr)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      ended.then(
        () => reject(new Error(`it ended without printing ${pattern}:\n${stdout}\n${stderr}`)),
        reject,
      );
      look();
    });
  return { child, printed, ended };
}

/** A folder of its own for a test; `script` writes a file that can import "kinglet" from PACKAGE. */
export class Folder {
  readonly path = mkdtempSync(path.join(tmpdir(), "kinglet-cli-"));

  file(name: string): string {
    return path.join(this.path, name);
  }

  script(name: string, text: string): string {
    writeFileSync(this.file(name), text.replaceAll('"kinglet"', JSON.stringify(PACKAGE)));
    return name;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Whether the process is there. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
