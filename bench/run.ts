// Runs benchmarks: node bench/run.ts <name…> [--runs 5] [--n …] [--workers 2] [--size-mib …] [--objects …]
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Benchmark, Sizes } from "./lib/benchmark.ts";
import { asJson, measure, tables } from "./lib/measure.ts";

const BENCHMARKS: Record<string, () => Promise<{ default: Benchmark }>> = {
  noop: () => import("./noop.ts"),
  sequential: () => import("./sequential.ts"),
  cold: () => import("./cold.ts"),
  payload: () => import("./payload.ts"),
  roundtrip: () => import("./roundtrip.ts"),
  capture: () => import("./capture.ts"),
  "word-count": () => import("./word-count.ts"),
  sort: () => import("./sort.ts"),
  pagerank: () => import("./pagerank.ts"),
  "captured-data": () => import("./captured-data.ts"),
  storage: () => import("./storage.ts"),
  latency: () => import("./latency.ts"),
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string" },
    workers: { type: "string", default: "2" },
    n: { type: "string" },
    "size-mib": { type: "string" },
    objects: { type: "string" },
    folder: { type: "string" },
  },
});

const names = positionals.includes("all") ? Object.keys(BENCHMARKS) : positionals;
const unknown = names.find((name) => !BENCHMARKS[name]);
if (names.length === 0 || unknown !== undefined) {
  console.error(
    unknown === undefined ? "Which benchmark?" : `There is no benchmark ${JSON.stringify(unknown)}.`,
  );
  console.error(
    `Usage: node bench/run.ts <${Object.keys(BENCHMARKS).join(" | ")} | all> [--runs 5] [--n …]; see bench/README.md`,
  );
  process.exit(2);
}

const sizes: Sizes = {
  workers: positive("workers", flags.workers),
  ...(flags.n === undefined ? {} : { n: positive("n", flags.n) }),
  ...(flags["size-mib"] === undefined ? {} : { sizeMib: positive("size-mib", flags["size-mib"]) }),
  ...(flags.objects === undefined ? {} : { objects: positive("objects", flags.objects) }),
};
if (flags.folder !== undefined) process.env["BENCH_ROOT"] = path.resolve(flags.folder);
const results = path.join(import.meta.dirname, "results");
mkdirSync(results, { recursive: true });
for (const name of names) {
  const { default: benchmark } = await BENCHMARKS[name]!();
  const plan = benchmark(sizes);
  const runs = flags.runs === undefined ? (plan.defaultRuns ?? 5) : positive("runs", flags.runs);
  const measured = await measure(plan, runs, showProgress);
  const file = path.join(results, `${name}-${new Date().toISOString().replaceAll(":", "-")}.json`);
  writeFileSync(file, JSON.stringify({ name, sizes, ...asJson(measured) }, undefined, 2));
  console.log(`${tables(measured)}\n  written to ${path.relative(process.cwd(), file)}\n`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${name} is ${JSON.stringify(text)}; expected a whole number above 0`);
  process.exit(2);
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}
