import { type Benchmark, ratio } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";

const ARRAYS = "one thread, typed arrays";
const MAP = "one thread, a Map of objects";
const VERTICES = "bsp, a vertex a page";
const BLOCKS = "bsp, a vertex a block of pages";
const SUPERSTEPS = 10;

/** PageRank over a made-up web: supersteps that keep all they compute, against loops that keep nothing. */
const pagerank: Benchmark = ({ n: count = 200_000, workers }) => {
  const sample = (way: string) => () =>
    sampleOf("samples/pagerank.ts", { way, count, supersteps: SUPERSTEPS, workers });
  return {
    title: `pagerank: ${count} pages, 8 links each, ${SUPERSTEPS} supersteps, ${workers} warm workers`,
    defaultRuns: 3,
    variants: [
      { name: ARRAYS, sample: sample("arrays") },
      { name: MAP, sample: sample("map") },
      { name: VERTICES, sample: sample("vertices") },
      { name: BLOCKS, sample: sample("blocks") },
    ],
    metrics: [
      { figure: "ms", title: "time", baseline: MAP },
      { figure: "cpuMs", title: "processor time of all processes", baseline: MAP },
    ],
    bars: [
      { text: "bsp by blocks / a Map of objects in one thread", figure: ratio("ms", BLOCKS, MAP), atMost: 1 },
    ],
    notes: [
      "All make up the web first, the workers a part of it each, and bsp places it. The loops hold it in memory and keep nothing; bsp writes states and",
      "messages of each superstep to the store, sorted, packed and checked, and would go on after a crash with the last one.",
    ],
  };
};

export default pagerank;
