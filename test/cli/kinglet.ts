import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  /** Resolves when what the process has printed so far passes. Rejects if it ends first. */
  printed(pattern: { test(text: string): boolean }): Promise<void>;
  readonly ended: Promise<Ran>;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** In place of the command line of the sources. */
  readonly main?: string;
  readonly nodeArgs?: readonly string[];
}

const running = new Set<ChildProcess>();

/** Ends what a failed test left running; the script ends with the command line that runs it. */
export function endAll(): void {
  for (const child of running) child.kill("SIGTERM");
}

/** Starts the real command line, as a user would, with this process's Node. */
export function startKinglet(args: readonly string[], options: RunOptions): Running {
  return start([...(options.nodeArgs ?? []), options.main ?? MAIN, ...args], options);
}

export const kinglet = (args: readonly string[], options: RunOptions): Promise<Ran> =>
  startKinglet(args, options).ended;

/** The tool that runs a command on a terminal of its own, where the machine has it (util-linux's). */
export const terminalTool: string | undefined = ["/usr/bin/script", "/bin/script"].find(existsSync);

/** As `startKinglet`, on a terminal: stdout and stderr are one, and what is written to stdin is typed. */
export function startOnTerminal(args: readonly string[], options: RunOptions): Running {
  const command = [process.execPath, options.main ?? MAIN, ...args].map((arg) => `'${arg}'`).join(" ");
  return start(["-qefc", `stty cols 120 rows 30; exec ${command}`, "/dev/null"], options, terminalTool!);
}

function start(args: readonly string[], { cwd, env }: RunOptions, program = process.execPath): Running {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KINGLET_|VITEST|NODE_(?!COMPILE_CACHE))/.test(name)),
  );
  const stdin = program === process.execPath ? "ignore" : "pipe";
  const child = spawn(program, args, {
    cwd,
    env: { ...clean, TERM: "xterm", ...env },
    stdio: [stdin, "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  const told = () => {
    for (const watcher of watchers) watcher();
  };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    told();
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    told();
  });
  running.add(child);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal, stdout, stderr });
    });
  });
  const printed = (pattern: { test(text: string): boolean }) =>
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
