import type { Bar, Benchmark, Variant } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";

/** A big array to a worker and back, durable on both ways, against what the disk and a pipe allow at best. */
const roundtrip: Benchmark = ({ sizeMib = 64 }) => ({
  title: `roundtrip: a Float64Array of ${sizeMib} MiB to a worker and back`,
  variants: [
    way("kinglet", "samples/roundtrip-kinglet.ts", sizeMib),
    way("disk alone", "samples/roundtrip-disk.ts", sizeMib),
    way("pipe alone", "samples/roundtrip-pipe.ts", sizeMib),
    way("piscina", "samples/roundtrip-piscina.ts", sizeMib),
  ],
  metrics: [{ figure: "roundTripMs", title: "there and back", baseline: "disk alone" }],
  bars: [bar("disk alone", "the disk allows"), bar("pipe alone", "a pipe allows")],
  notes: [
    "disk alone: process A writes a new file, B reads it and writes another, A reads that one; plain write and read, no fsync.",
    "pipe alone: A writes the bytes into B's stdin, B reads them all and writes them to its stdout; nothing is kept.",
    "Each sample is the median of five trips after one to warm up; piscina copies in memory and keeps nothing.",
  ],
});

export default roundtrip;

const way = (name: string, file: string, sizeMib: number): Variant => ({
  name,
  sample: () => sampleOf(file, { sizeMib }),
});

/** How much of the bound's speed Kinglet reaches, in percent. */
function bar(bound: string, text: string): Bar {
  return {
    text: `kinglet (durable) reaches of what ${text}`,
    figure: (round) => {
      const [own, best] = [round.get("kinglet")?.["roundTripMs"], round.get(bound)?.["roundTripMs"]];
      return own === undefined || best === undefined ? undefined : (100 * best) / own;
    },
    atLeast: 60,
    unit: "%",
  };
}
