import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Figures } from "./benchmark.ts";

/** Where bench/peers/install.mjs puts it; BENCH_PYSPARK names another Python that has PySpark. */
const python = (): string =>
  process.env["BENCH_PYSPARK"] ?? path.join(homedir(), ".cache/kinglet-bench/pyspark/bin/python");

const LIMIT_MS = 600_000;

/** The figures that a script of bench/peers/pyspark prints on its last line; undefined if PySpark isn't there. */
export async function pysparkFigures(script: string, args: readonly string[]): Promise<Figures | undefined> {
  if (!existsSync(python())) return undefined;
  const file = path.join(path.dirname(import.meta.dirname), "peers/pyspark", script);
  const child = spawn(python(), [file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYSPARK_PYTHON: python(), PYTHONDONTWRITEBYTECODE: "1" },
    timeout: LIMIT_MS,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
  if (code !== 0) throw new Error(`${script} ended with ${code}\n${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Figures;
}
