import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { type Benchmark, ratio } from "./lib/benchmark.ts";
import { sampleOf, workFolder } from "./lib/fresh-process.ts";
import { writeText } from "./word-count/text.ts";

const SINGLE = "one thread, no library";
const TABLE = "mapReduce, the same loop in map";
const EMIT = "mapReduce, emit(word, 1)";

/** Word count of a text by Zipf's law (SoCC 2017, §3.3: 83.68 M reviews): the paper's MapReduce on the cores there are. */
const wordCount: Benchmark = ({ sizeMib = 256, workers }) => {
  const file = path.join(workFolder(), `text-${sizeMib}.txt`);
  const sample = (way: string) => () => {
    mkdirSync(workFolder(), { recursive: true });
    if (!existsSync(file)) writeText(file, sizeMib * 1024 * 1024);
    return sampleOf("samples/word-count.ts", { file, way, workers });
  };
  return {
    title: `word-count: the words of ${sizeMib} MiB of text, ${workers} warm workers`,
    variants: [
      { name: SINGLE, sample: sample("single") },
      { name: TABLE, sample: sample("table") },
      { name: EMIT, sample: sample("emit") },
    ],
    metrics: [
      { figure: "ms", title: "time", baseline: SINGLE },
      { figure: "cpuMs", title: "processor time of all processes", baseline: SINGLE },
    ],
    bars: [
      { text: "mapReduce is faster than one thread by", figure: ratio("ms", SINGLE, TABLE), atLeast: 1.6 },
    ],
    notes: [
      "One thread: bench/word-count/single-thread.ts, a table by hash over the bytes of the file. In mapReduce, map does the same with",
      "its slice (two for each worker); with emit, it splits lines into strings, as one would write it. The text is made once and kept.",
    ],
  };
};

export default wordCount;
