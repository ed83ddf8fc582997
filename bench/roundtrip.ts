import type { Bar, Benchmark, Round } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";

/** The bound is the disk alone: whatever is durable has to be written, and what a pipe carries isn't. */
const bar: Bar = {
  text: "kinglet (durable) reaches of what the disk allows",
  figure: (round) => {
    const [own, best] = [round.get("kinglet")?.["roundTripMs"], round.get("disk alone")?.["roundTripMs"]];
    return own === undefined || best === undefined ? undefined : (100 * best) / own;
  },
  atLeast: 60,
  unit: "%",
};

/** A big array to a worker and back, durable on both ways, against what the disk and a pipe allow at best. */
const roundtrip: Benchmark = ({ sizeMib = 64 }) => ({
  title: `roundtrip: a Float64Array of ${sizeMib} MiB to a worker and back`,
  variants: ["kinglet", "disk alone", "pipe alone", "piscina"].map((name) => ({ name })),
  takeRound: async (): Promise<Round> => {
    const figures = await sampleOf("samples/roundtrip.ts", { sizeMib });
    return new Map(Object.entries(figures).map(([name, roundTripMs]) => [name, { roundTripMs }]));
  },
  metrics: [{ figure: "roundTripMs", title: "there and back", baseline: "disk alone" }],
  bars: [bar],
  notes: [
    "disk alone: process A writes a new file, B reads it and writes another, A reads that one; plain write and read, no fsync.",
    "pipe alone: A writes the bytes into B's stdin, B reads them all and writes them to its stdout; nothing is kept.",
    "The ways take turns in one process, trip by trip; a run is the median of five. piscina copies in memory.",
  ],
});

export default roundtrip;
