import type { Benchmark, Metric } from "./lib/benchmark.ts";
import { variantOf } from "./lib/peers.ts";

interface Case {
  readonly sizeBytes: number;
  readonly count: number;
}

const KIB = 1024;
const NAMES = ["kinglet", "piscina", "piscina, transferred", "workerpool", "faast.js local"] as const;

/** Maps over byte arrays from 1 KiB to 16 MiB: each travels to a worker and back. */
const payload: Benchmark = ({ workers, sizeMib = 16 }) => {
  const sizesBytes = [KIB, 16 * KIB, 64 * KIB, KIB * KIB, sizeMib * KIB * KIB].filter(
    (size) => size <= sizeMib * KIB * KIB,
  );
  const cases = [...new Set(sizesBytes)].map((sizeBytes) => ({ sizeBytes, count: countFor(sizeBytes) }));
  const metrics: Metric[] = cases.map(({ sizeBytes, count }) => ({
    figure: String(sizeBytes),
    title: `${sizeName(sizeBytes)}, a task (${count} of them)`,
    baseline: "piscina",
    unit: "µs",
  }));
  return {
    title: `payload: maps over byte arrays, there and back, ${workers} warm workers`,
    variants: NAMES.map((name) =>
      variantOf(name, "samples/payload.ts", { workers, cases: fewerFor(name, cases) }),
    ),
    metrics,
    bars: [],
    notes: [
      "Kinglet's items and results are durable, the peers keep nothing; `transferred` gives up the caller's own copy.",
      "faast.js does only the smaller sizes, 50 of each: it sends bytes as JSON lists of numbers.",
    ],
  };
};

export default payload;

/** About 64 MiB a size, 2,000 tasks at most and 4 at least. */
const countFor = (sizeBytes: number): number =>
  Math.max(4, Math.min(2_000, Math.floor((64 * KIB * KIB) / sizeBytes)));

const sizeName = (sizeBytes: number): string =>
  sizeBytes < KIB * KIB ? `${sizeBytes / KIB} KiB` : `${sizeBytes / KIB / KIB} MiB`;

/** faast.js sends bytes as JSON lists of numbers: 64 KiB take it a second. */
function fewerFor(name: string, cases: readonly Case[]): readonly Case[] {
  if (name !== "faast.js local") return cases;
  return cases
    .filter(({ sizeBytes }) => sizeBytes <= 16 * KIB)
    .map(({ sizeBytes }) => ({ sizeBytes, count: 50 }));
}
