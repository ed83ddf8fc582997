import type { Benchmark } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";

/** What a task costs more because its function captures a lot of data that it doesn't write to. */
const capturedData: Benchmark = ({ n = 50_000, workers, objects = 300_000 }) => ({
  title: `captured-data: the cost of a task whose function captures ${objects} objects, ${workers} warm workers`,
  variants: [
    {
      name: "captures nothing",
      sample: () => sampleOf("samples/captured-data.ts", { n, workers, objects: 0 }),
    },
    {
      name: "captures the objects",
      sample: () => sampleOf("samples/captured-data.ts", { n, workers, objects }),
    },
  ],
  metrics: [
    { figure: "taskUs", title: "one more task", baseline: "captures nothing", unit: "µs" },
    { figure: "firstMapMs", title: "first map, its load included", baseline: "captures nothing" },
  ],
  bars: [
    {
      text: "a task that captures the objects costs more by",
      figure: (round) => {
        const [plain, big] = [round.get("captures nothing"), round.get("captures the objects")];
        return plain && big && big["taskUs"]! - plain["taskUs"]!;
      },
      // Below what a no-op task itself costs: deserialising the objects for a task would be 300 ms.
      atMost: 5,
      unit: "µs",
    },
  ],
  notes: [
    "One more task: from the result of the first tenth to the last one, by their number. What a map costs once (capture,",
    "upload, the load in each worker) is in the first map.",
  ],
});

export default capturedData;
