import { type Benchmark, ratio } from "./lib/benchmark.ts";
import { variantOf } from "./lib/peers.ts";

/** Many tasks that do nothing: what a task costs. */
const noop: Benchmark = ({ n = 100_000, workers }) => ({
  title: `noop: ${n} tasks that do nothing, ${workers} workers`,
  variants: [
    variantOf("kinglet", "samples/noop.ts", { n, workers }),
    variantOf("piscina", "samples/noop.ts", { n, workers }),
    variantOf("piscina, batched by hand", "samples/noop.ts", { n, workers }),
    variantOf("workerpool", "samples/noop.ts", { n, workers }),
    variantOf("faast.js local", "samples/noop.ts", { n: Math.min(n, 2_000), workers }),
  ],
  metrics: [
    { figure: "openToResultsMs", title: "start-up included", baseline: "piscina", tasks: n },
    { figure: "warmUs", title: "second map, a task", baseline: "piscina", unit: "µs" },
  ],
  bars: [
    {
      text: "kinglet (durable) / piscina, start-up included",
      figure: ratio("openToResultsMs", "kinglet", "piscina"),
      atMost: 0.25,
    },
    {
      text: "kinglet (durable) / piscina, second map",
      figure: ratio("warmUs", "kinglet", "piscina"),
      atMost: 0.25,
    },
  ],
  notes: [
    "Kinglet's results are durable, the peers keep nothing. faast.js runs 2,000 tasks: it would take minutes.",
  ],
});

export default noop;
