import { spawn } from "node:child_process";
import type { Figures } from "../lib/benchmark.ts";

/** The words of a file by coreutils: they sort all words to count them. Undefined where there is no shell. */
export async function countByCoreutils(file: string, workers: number): Promise<Figures | undefined> {
  const pipeline = 'tr -s "[:space:]" "\\n" < "$0" | sort --parallel="$1" -S 512M | uniq -c | wc -l';
  const startedAtMs = performance.now();
  const child = spawn("sh", ["-c", pipeline, file, String(workers)], {
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let words = "";
  child.stdout.on("data", (text) => (words += text));
  const code = await new Promise((resolve) =>
    child.on("close", resolve).on("error", () => resolve(undefined)),
  );
  if (code === undefined) return undefined;
  if (code !== 0) throw new Error(`${pipeline} ended with ${code}`);
  return { ms: performance.now() - startedAtMs, words: Number(words) };
}
