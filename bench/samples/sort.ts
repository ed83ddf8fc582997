import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import path from "node:path";
import { openPool, type Pool, type StoredObject } from "kinglet";
import { type ShuffleReport, sort } from "kinglet/dataflow";
import { AWS_US_EAST_1 as PRICES } from "../../src/cost/prices.ts";
import { report, sampleArgument, sampleFolder } from "../lib/fresh-process.ts";
import { summaryOf } from "../sort/check.ts";
import { KEY_BYTES, RECORD_BYTES } from "../sort/records.ts";
import { startShards } from "../sort/redis-shards.ts";

export interface SortSample {
  readonly file: string;
  readonly way: "gnu" | "kinglet";
  readonly workers: number;
  /** Redis servers for what lies between; 0: the pool's store. */
  readonly shards?: number;
  /** Where the pool's store is, in place of the disk. */
  readonly storage?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const MEMORY_MB = 256;
/** A node of ElastiCache with 13 GB (cache.r7g.large, us-east-1), an hour. */
const USD_PER_REDIS_HOUR = 0.219;

const sample = sampleArgument<SortSample>();
const { file, way, workers } = sample;
Object.assign(process.env, sample.env);
const [figures, output] = way === "gnu" ? await byGnuSort() : await byKinglet();
const [given, found] = [await summaryOf(createReadStream(file)), await summaryOf(output)];
if (found.outOfOrder > 0 || found.count !== given.count || found.checksum !== given.checksum) {
  throw new Error(`${way} sorted wrongly: ${JSON.stringify({ given, found })}`);
}
report(figures);

async function byGnuSort(): Promise<[Record<string, number>, AsyncIterable<Uint8Array>]> {
  const sorted = path.join(sampleFolder(), "sorted.dat");
  const memory = ["-S", `${MEMORY_MB * workers}M`, "-T", sampleFolder()];
  const args = [`--parallel=${workers}`, ...memory, file, "-o", sorted];
  const startedAtMs = performance.now();
  const child = spawn("sort", args, { env: { ...process.env, LC_ALL: "C" }, stdio: "inherit" });
  const code = await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
  if (code !== 0) throw new Error(`sort ended with ${code}`);
  return [{ ms: performance.now() - startedAtMs }, createReadStream(sorted)];
}

async function byKinglet(): Promise<[Record<string, number>, AsyncIterable<Uint8Array>]> {
  const shards = await startShards(sample.shards ?? 0, sampleFolder());
  const pool = openPool({
    ...{ concurrency: workers, logs: false },
    ...(sample.storage ? { storage: sample.storage } : {}),
  });
  try {
    const options = { recordBytes: RECORD_BYTES, keyBytes: KEY_BYTES, memoryMb: MEMORY_MB };
    // The workers of that memory are warm, as those of other benchmarks.
    await pool.map((n) => n, [...Array(2 * workers).keys()], { batch: 1, memoryMb: MEMORY_MB });
    const stages: number[] = [];
    let asked: ShuffleReport | undefined;
    const startedAtMs = performance.now();
    const objects = await sort(timed(pool, stages), file, {
      ...options,
      ...(shards && shards.urls.length > 0 ? { via: shards.urls } : {}),
      output: { objects: "sorted" },
      onReport: (one) => {
        asked = one;
      },
    });
    const ms = performance.now() - startedAtMs;
    const { puts, gets, plan } = asked!;
    // The input's slices and the output's objects lie in the pool's store in any case.
    const [mappers, parts] = [asked!.mappers, objects.length];
    const inStore = {
      puts: parts + (shards?.urls.length ? 0 : puts),
      gets: mappers + (shards?.urls.length ? 0 : gets),
    };
    const figures = {
      ...{ ms, sortMs: stages[0]!, mergeMs: stages.slice(1).reduce((sum, one) => sum + one, 0) },
      ...{ puts, gets, formulaPuts: plan.puts, formulaGets: plan.gets },
      microUsd: 1e6 * costUsd(ms, inStore, shards?.urls.length ?? 0),
    };
    return [figures, contentOf(objects, () => pool.close())];
  } finally {
    await shards?.stop();
  }
}

/** What it would cost at AWS: workers' memory for the time, requests to S3, and Redis by the second. */
function costUsd(ms: number, { puts, gets }: { puts: number; gets: number }, shards: number): number {
  const gbSeconds = (workers * (MEMORY_MB / 1024) * ms) / 1000;
  const requests = puts * PRICES.s3.usdPerPut + gets * PRICES.s3.usdPerGet;
  const redis = (shards * USD_PER_REDIS_HOUR * ms) / 3_600_000;
  return gbSeconds * PRICES.lambda.usdPerGbSecond.arm64 + requests + redis;
}

/** The pool, which notes how long each stage takes. */
function timed(pool: Pool, stages: number[]): Pool {
  return new Proxy(pool, {
    get(target, name: keyof Pool) {
      const member = target[name];
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const startedAtMs = performance.now();
        const result = (member as (...args: unknown[]) => unknown).apply(target, args);
        if (name !== "map") return result;
        const stage = stages.push(0) - 1;
        void (result as Promise<unknown>).then(() => {
          stages[stage] = performance.now() - startedAtMs;
        });
        return result;
      };
    },
  });
}

async function* contentOf(
  objects: readonly StoredObject[],
  done: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for (const object of objects) yield* object.stream();
  await done();
}
