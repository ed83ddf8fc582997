import { type Benchmark, ratio } from "./lib/benchmark.ts";
import { variantOf } from "./lib/peers.ts";

/** One call after the other, each awaited: the latency of a warm call. */
const sequential: Benchmark = ({ n = 1_000, workers }) => ({
  title: `sequential: ${n} × await run(noop), ${workers} warm workers`,
  variants: [
    variantOf("kinglet", "samples/sequential.ts", { n, workers }),
    variantOf("kinglet, new closure a call", "samples/sequential.ts", { n, workers }),
    variantOf("piscina", "samples/sequential.ts", { n, workers }),
    variantOf("workerpool", "samples/sequential.ts", { n, workers }),
    variantOf("faast.js local", "samples/sequential.ts", { n: Math.min(n, 300), workers }),
  ],
  metrics: [
    { figure: "meanUs", title: "a call, mean", baseline: "piscina", unit: "µs" },
    { figure: "p50Us", title: "a call, median", baseline: "piscina", unit: "µs" },
    { figure: "p99Us", title: "a call, 99th percentile", baseline: "piscina", unit: "µs" },
  ],
  bars: [
    {
      text: "kinglet (durable) / piscina, all calls",
      figure: ratio("meanUs", "kinglet", "piscina"),
      atMost: 1.5,
    },
  ],
  notes: ["Kinglet's results are durable, the peers keep nothing."],
});

export default sequential;
