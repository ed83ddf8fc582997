import { statSync } from "node:fs";
import { openPool } from "kinglet";
import { mapReduce } from "kinglet/dataflow";
import { report, sampleArgument } from "../lib/fresh-process.ts";
import { processorTimeMs } from "../lib/processor-time.ts";
import { countFile, WordTable } from "../word-count/single-thread.ts";

const { file, way, workers } = sampleArgument<{ file: string; way: string; workers: number }>();

const pool = openPool({ concurrency: workers, logs: false });
if (way !== "single") await pool.map((n) => n, [...Array(2 * workers).keys()], { batch: 1 });
const startedAtMs = performance.now();
const startedCpuMs = await processorTimeMs(pool, workers);
const counts = way === "single" ? new Map(countFile(file).entries()) : new Map(await counted());
const ms = performance.now() - startedAtMs;
const cpuMs = (await processorTimeMs(pool, workers)) - startedCpuMs;
await pool.close();
report({ ms, cpuMs, words: counts.size });

function counted() {
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
  return mapReduce(pool, slices, {
    async map(slice, _ctx, emit: (word: string, one: number) => void) {
      for await (const line of slice.lines()) for (const word of line.split(" ")) emit(word, 1);
    },
    ...options,
  });
}
