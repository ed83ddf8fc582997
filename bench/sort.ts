import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { type Benchmark, ratio } from "./lib/benchmark.ts";
import { sampleOf, workFolder } from "./lib/fresh-process.ts";
import { writeRecords } from "./sort/records.ts";

const GNU = "GNU sort";
const KINGLET = "sort, 2 stages";

/** Sort of records of 100 bytes by 10, as in Terasort, whose lines GNU sort can sort too. */
const sortRecords: Benchmark = ({ sizeMib = 256, workers }) => {
  const file = path.join(workFolder(), `records-${sizeMib}.dat`);
  const sample = (way: string) => () => {
    mkdirSync(workFolder(), { recursive: true });
    if (!existsSync(file)) writeRecords(file, Math.floor((sizeMib * 1024 * 1024) / 100));
    return sampleOf("samples/sort.ts", { file, way, workers });
  };
  return {
    title: `sort: ${sizeMib} MiB of records of 100 bytes, ${workers} warm workers of 256 MiB`,
    defaultRuns: 3,
    variants: [
      { name: GNU, sample: sample("gnu") },
      { name: KINGLET, sample: sample("kinglet") },
    ],
    metrics: [{ figure: "ms", title: "time", baseline: GNU }],
    bars: [{ text: "sort takes, against GNU sort,", figure: ratio("ms", KINGLET, GNU), atMost: 1.5 }],
    notes: [
      "GNU sort: LC_ALL=C sort --parallel=<workers> -S <workers × 256M>, its start included. The output of both is checked:",
      "its order, and the sum of its records' checksums. The records are made once and kept.",
    ],
  };
};

export default sortRecords;
