import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { type Benchmark, type Figures, ratio } from "./lib/benchmark.ts";
import { sampleOf, workFolder } from "./lib/fresh-process.ts";
import { pysparkFigures } from "./lib/pyspark.ts";
import { countByCoreutils } from "./word-count/coreutils.ts";
import { writeText } from "./word-count/text.ts";

const SINGLE = "one thread, no library";
const WORDS = "mapReduce, emit.words(bytes, 1)";
const TEXT = "mapReduce, emit.text(bytes, from, to, 1)";
const WORD = "mapReduce, emit(word, 1)";
const NAIVE = "one thread, strings in a Map";
const TABLE = "mapReduce, the peer's own loop in map";
const DATAFRAME = "PySpark, data frame";
const RDD = "PySpark, Python functions";
const COREUTILS = "tr | sort | uniq -c";
/** It takes minutes for more. */
const COREUTILS_MIB = 256;

/** Word count of a text by Zipf's law (SoCC 2017, §3.3: 83.68 M reviews): the paper's MapReduce on the cores there are. */
const wordCount: Benchmark = ({ sizeMib = 256, workers }) => {
  const file = path.join(workFolder(), `text-${sizeMib}.txt`);
  const withText = (take: () => Promise<Figures | undefined>) => () => {
    mkdirSync(workFolder(), { recursive: true });
    if (!existsSync(file)) writeText(file, sizeMib * 1024 * 1024);
    return take();
  };
  const sample = (way: string) => withText(() => sampleOf("samples/word-count.ts", { file, way, workers }));
  const spark = (way: string) =>
    withText(() => pysparkFigures("word_count.py", [file, String(workers), way]));
  const install = "node bench/peers/install.mjs";
  return {
    title: `word-count: the words of ${sizeMib} MiB of text, ${workers} warm workers`,
    defaultRuns: 3,
    variants: [
      { name: SINGLE, sample: sample("single") },
      { name: WORDS, sample: sample("words") },
      { name: TEXT, sample: sample("text") },
      { name: NAIVE, sample: sample("naive") },
      { name: WORD, sample: sample("word") },
      { name: TABLE, sample: sample("table") },
      { name: DATAFRAME, install, sample: spark("dataframe") },
      { name: RDD, install, sample: spark("rdd") },
      ...(sizeMib > COREUTILS_MIB
        ? []
        : [
            {
              name: COREUTILS,
              install: "coreutils",
              sample: withText(() => countByCoreutils(file, workers)),
            },
          ]),
    ],
    metrics: [
      { figure: "ms", title: "time", baseline: SINGLE },
      { figure: "cpuMs", title: "processor time of all processes", baseline: SINGLE },
      { figure: "peakMiB", title: "peak memory of a worker", unit: "MiB", baseline: SINGLE },
    ],
    bars: [
      { text: "emit.words is faster than one thread by", figure: ratio("ms", SINGLE, WORDS), atLeast: 1.6 },
      { text: "emit.text is faster than one thread by", figure: ratio("ms", SINGLE, TEXT), atLeast: 1.6 },
      {
        text: "emit(word) is faster than one naive thread by",
        figure: ratio("ms", NAIVE, WORD),
        atLeast: 1.6,
      },
      { text: "emit.words / PySpark's data frame", figure: ratio("ms", WORDS, DATAFRAME), atMost: 1 },
      { text: "emit.text / PySpark's data frame", figure: ratio("ms", TEXT, DATAFRAME), atMost: 1 },
      { text: "emit(word) / PySpark's data frame", figure: ratio("ms", WORD, DATAFRAME), atMost: 1 },
      { text: "peak memory of a worker", figure: peakOf(WORDS, TEXT, WORD), atMost: 300, unit: "MiB" },
    ],
    notes: [
      "One thread: bench/word-count/single-thread.ts, a table by hash over the bytes of the file. emit.words finds words itself, emit.text takes each as bytes of",
      "the slice; emit(word) splits lines into strings, as one would write it first; the peer's own loop counts each slice before pairs",
      "are made. PySpark: local[workers], its start and first query left out. The text is made once and kept.",
    ],
  };
};

const peakOf =
  (...variants: string[]) =>
  (round: ReadonlyMap<string, Figures>) => {
    const peaks = variants.map((name) => round.get(name)?.["peakMiB"]).filter((peak) => peak !== undefined);
    return peaks.length === 0 ? undefined : Math.max(...peaks);
  };

export default wordCount;
