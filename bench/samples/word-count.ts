import { readFileSync, statSync } from "node:fs";
import { openPool } from "kinglet";
import { type Emit, mapReduce } from "kinglet/dataflow";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { processorTimeMs } from "../lib/processor-time.ts";
import { countNaively } from "../word-count/naive.ts";
import { countFile, WordTable } from "../word-count/single-thread.ts";

const { file, way, workers } = sampleArgument<{ file: string; way: string; workers: number }>();

const pool = openPool({ concurrency: workers, logs: false });
const isAlone = way === "single" || way === "naive";
if (!isAlone) await pool.map((n) => n, [...Array(2 * workers).keys()], { batch: 1 });
const startedAtMs = performance.now();
const startedCpuMs = await processorTimeMs(pool, workers);
const counts = new Map(await counted());
const ms = performance.now() - startedAtMs;
const cpuMs = (await processorTimeMs(pool, workers)) - startedCpuMs;
const peakMiB = isAlone
  ? peakOf(process.pid)
  : Math.max(...(await pool.map(() => process.pid, [1, 2, 3, 4], { batch: 1 })).map(peakOf));
await pool.close();
// Of a text in which words are one blank or line break apart: all of its bytes.
const bytes = [...counts].reduce((sum, [word, count]) => sum + (Buffer.byteLength(word) + 1) * count, 0);
if (Math.abs(bytes - statSync(file).size) > 1) throw new Error(`${way} counts words of ${bytes} bytes`);
report({ ms, cpuMs, peakMiB, words: counts.size });

function counted(): Iterable<[string, number]> | Promise<Iterable<[string, number]>> {
  if (way === "single") return countFile(file).entries();
  if (way === "naive") return countNaively(file);
  const slices = pool.slices(file, { sliceBytes: Math.ceil(statSync(file).size / (2 * workers)) });
  const options = { combine: (a: number, b: number) => a + b, partitions: workers };
  if (way === "table") {
    const map = async (slice: { stream(): AsyncIterable<Uint8Array> }) => {
      const table = new WordTable();
      await table.addAll(slice.stream());
      return table.entries();
    };
    return mapReduce(pool, slices, { map, ...options });
  }
  if (way === "words") {
    return mapReduce(pool, slices, {
      async map(slice, _ctx, emit: Emit<string, number>) {
        for await (const chunk of slice.chunks()) emit.words(chunk, 1);
      },
      ...options,
    });
  }
  if (way === "text") {
    return mapReduce(pool, slices, {
      async map(slice, _ctx, emit: Emit<string, number>) {
        for await (const chunk of slice.chunks()) {
          for (let at = 0, start = 0; at <= chunk.length; at++) {
            if (at < chunk.length && chunk[at]! > 32) continue;
            if (at > start) emit.text(chunk, start, at, 1);
            start = at + 1;
          }
        }
      },
      ...options,
    });
  }
  return mapReduce(pool, slices, {
    async map(slice, _ctx, emit: Emit<string, number>) {
      for await (const line of slice.lines()) {
        for (const word of line.split(" ")) if (word !== "") emit(word, 1);
      }
    },
    ...options,
  });
}

/** The most memory that a process has taken, where the system tells (Linux). */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
  } catch {
    return Number.NaN;
  }
}
