import type { Bar, Benchmark } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";

/** What it costs to take a function with its values, before anything runs. */
const capture: Benchmark = ({ objects = 300_000 }) => ({
  title: `capture: closures, and ${objects} captured plain objects`,
  variants: [{ name: "kinglet", sample: () => sampleOf("samples/capture.ts", { objects }) }],
  metrics: [
    { figure: "firstMs", title: "first closure in a process", baseline: "kinglet" },
    { figure: "warmMs", title: "small closure, warm", baseline: "kinglet" },
    { figure: "sameMs", title: "the same function again", baseline: "kinglet" },
    { figure: "bigMs", title: `${objects} objects`, baseline: "kinglet" },
    { figure: "serializeMs", title: "  v8.serialize of them", baseline: "kinglet" },
    { figure: "bigBackMs", title: "  back, in the worker", baseline: "kinglet" },
    { figure: "deserializeMs", title: "  v8.deserialize", baseline: "kinglet" },
  ],
  bars: [
    figure("firstMs", "first closure in a process", 60, "ms"),
    figure("warmMs", "small closure, warm", 2, "ms"),
    {
      text: `${objects} captured objects / v8.serialize of the same`,
      figure: (round) => {
        const figures = round.get("kinglet");
        return figures && figures["bigMs"]! / figures["serializeMs"]!;
      },
      atMost: 2,
    },
  ],
  notes: [
    "The ratio is taken inside one process, where the two take turns; medians of five.",
    "`back` is restoreFunction and one instance of it, beside v8.deserialize.",
  ],
});

export default capture;

function figure(name: string, text: string, atMost: number, unit: string): Bar {
  return { text, figure: (round) => round.get("kinglet")?.[name], atMost, unit };
}
