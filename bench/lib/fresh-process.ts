import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type { Figures } from "./benchmark.ts";

const benchFolder = path.dirname(import.meta.dirname);

/** A sample that takes longer hangs. */
const LIMIT_MS = 300_000;

export interface ProcessEnd {
  readonly stdout: string;
  /** From the start of the process to the first line that it printed, milliseconds. */
  readonly firstLineMs: number;
}

/** Where samples keep their stores and files; `--folder` sets it. */
export const workFolder = (): string => process.env["BENCH_ROOT"] ?? path.join(benchFolder, "results");

/**
 * Runs `node <file> <argument>` in a new process with an empty store of its own (KINGLET_STORAGE), on the disk where
 * this repository is: /tmp may be memory.
 *
 * @throws Error with the process's stderr if it fails
 */
export async function freshProcess(file: string, argument: unknown): Promise<ProcessEnd> {
  mkdirSync(workFolder(), { recursive: true });
  const folder = mkdtempSync(path.join(workFolder(), "tmp-"));
  try {
    return await run(path.join(benchFolder, file), argument, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(file: string, argument: unknown, folder: string): Promise<ProcessEnd> {
  const env = { ...process.env, KINGLET_STORAGE: path.join(folder, "store"), BENCH_FOLDER: folder };
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [...nodeArguments(), file, JSON.stringify(argument)], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  let firstLineMs = Number.NaN;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (Number.isNaN(firstLineMs) && text.includes("\n")) firstLineMs = performance.now() - startedAtMs;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve({ stdout, firstLineMs });
      else
        reject(
          new Error(
            `${path.basename(file)} ${JSON.stringify(argument)} ended with ${signal ?? code}\n${stderr}`,
          ),
        );
    });
  });
}

/** `BENCH_NODE_ARGS="--cpu-prof --cpu-prof-dir=/tmp/profiles"` profiles the samples. */
const nodeArguments = (): string[] => process.env["BENCH_NODE_ARGS"]?.split(" ").filter(Boolean) ?? [];

/** Runs a sample's process and reads the figures that it prints on its last line. */
export async function sampleOf(file: string, argument: unknown): Promise<Figures> {
  const { stdout } = await freshProcess(file, argument);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Figures;
}

/** For the sample's own process: what it was asked for. */
export const sampleArgument = <T>(): T => JSON.parse(process.argv[2]!) as T;

/** For the sample's own process: a folder that is removed after it. */
export const sampleFolder = (): string => process.env["BENCH_FOLDER"]!;

/** For the sample's own process: hands over its figures. */
export const report = (figures: Figures): void => console.log(JSON.stringify(figures));
