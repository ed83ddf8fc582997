import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { workerEnv, workerExecArgv } from "./exec-args.ts";
import { Marker } from "./marker.ts";

export interface ProcessSettings {
  /** Limit of heap and buffers together. */
  readonly memoryMb: number | undefined;
  /** The `node` to run. */
  readonly execPath: string;
  readonly execArgv: readonly string[];
}

/** A worker's process that boots, and hasn't been told anything yet. */
export interface StartedProcess {
  readonly child: ChildProcess;
  readonly marker: Marker;
  readonly memoryMb: number | undefined;
}

const workerEntry = fileURLToPath(
  import.meta.url.endsWith(".ts")
    ? new URL("./worker-main.ts", import.meta.url)
    : new URL(import.meta.url.endsWith(".mjs") ? "./worker.mjs" : "./worker.js", import.meta.url),
);

/** @throws Error of the system where no process, or no file for its marker, can be made */
export function startProcess(settings: ProcessSettings): StartedProcess {
  const marker = new Marker();
  return { child: spawnWorker(settings, marker), marker, memoryMb: settings.memoryMb };
}

/** @throws Error of the system where no process can be made */
export function spawnWorker({ execPath, execArgv, memoryMb }: ProcessSettings, marker: Marker): ChildProcess {
  const limits = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`];
  return spawn(execPath, [...workerExecArgv(execArgv), ...limits, workerEntry], {
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", marker.fd, "pipe"],
    env: workerEnv(process.env),
    // A process group of its own: the terminal's Ctrl-C is the driver's business.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
}
