import { type Benchmark, ratio, type Variant } from "./lib/benchmark.ts";
import { freshProcess } from "./lib/fresh-process.ts";

/** From the start of a process to its first result, as its parent sees it. */
const cold: Benchmark = ({ workers }) => ({
  title: `cold: from the start of the process to its first result, ${workers} workers`,
  variants: [
    script("kinglet", "samples/cold-kinglet.mjs", workers),
    script("piscina", "samples/cold-piscina.mjs", workers),
    script("workerpool", "samples/cold-workerpool.mjs", workers),
    script("node alone", "samples/cold-nothing.mjs", workers),
  ],
  metrics: [{ figure: "firstResultMs", title: "first result", baseline: "piscina" }],
  bars: [
    {
      text: "kinglet / piscina, first result",
      figure: ratio("firstResultMs", "kinglet", "piscina"),
      atMost: 1,
    },
  ],
  notes: ["Plain JavaScript everywhere; Kinglet makes a new store. `node alone` prints a line and ends."],
});

export default cold;

function script(name: string, file: string, workers: number): Variant {
  return {
    name,
    sample: async () => ({ firstResultMs: (await freshProcess(file, { workers })).firstLineMs }),
  };
}
