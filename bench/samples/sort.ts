import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import path from "node:path";
import { openPool, type StoredObject } from "kinglet";
import { sort } from "kinglet/dataflow";
import { report, sampleArgument, sampleFolder } from "../lib/fresh-process.ts";
import { summaryOf } from "../sort/check.ts";
import { KEY_BYTES, RECORD_BYTES } from "../sort/records.ts";

const { file, way, workers } = sampleArgument<{ file: string; way: string; workers: number }>();
const [ms, output] = way === "gnu" ? await byGnuSort() : await byKinglet();
const [given, found] = [await summaryOf(createReadStream(file)), await summaryOf(output)];
if (found.outOfOrder > 0 || found.count !== given.count || found.checksum !== given.checksum) {
  throw new Error(`${way} sorted wrongly: ${JSON.stringify({ given, found })}`);
}
report({ ms });

async function byGnuSort(): Promise<[number, AsyncIterable<Uint8Array>]> {
  const sorted = path.join(sampleFolder(), "sorted.dat");
  const args = [`--parallel=${workers}`, "-S", `${256 * workers}M`, "-T", sampleFolder(), file, "-o", sorted];
  const startedAtMs = performance.now();
  const child = spawn("sort", args, { env: { ...process.env, LC_ALL: "C" }, stdio: "inherit" });
  const code = await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
  if (code !== 0) throw new Error(`sort ended with ${code}`);
  return [performance.now() - startedAtMs, createReadStream(sorted)];
}

async function byKinglet(): Promise<[number, AsyncIterable<Uint8Array>]> {
  const pool = openPool({ concurrency: workers, logs: false });
  const options = { recordBytes: RECORD_BYTES, keyBytes: KEY_BYTES, memoryMb: 256 };
  // The workers of that memory are warm, as those of other benchmarks.
  await pool.map((n) => n, [...Array(2 * workers).keys()], { batch: 1, memoryMb: 256 });
  const startedAtMs = performance.now();
  const objects = await sort(pool, file, { ...options, output: { objects: "sorted" } });
  const ms = performance.now() - startedAtMs;
  await pool.close();
  return [ms, contentOf(objects)];
}

async function* contentOf(objects: readonly StoredObject[]): AsyncGenerator<Uint8Array> {
  for (const object of objects) yield* object.stream();
}
