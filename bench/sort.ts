import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { S3Facts } from "../test/services/radosgw.ts";
import { type Bar, type Benchmark, type Figures, ratio } from "./lib/benchmark.ts";
import { sampleOf, workFolder } from "./lib/fresh-process.ts";
import { pysparkFigures } from "./lib/pyspark.ts";
import type { SortSample } from "./samples/sort.ts";
import { writeRecords } from "./sort/records.ts";
import { newBucket, newFolder, service } from "./storage/services.ts";

const GNU = "GNU sort";
const KINGLET = "sort on disk";
const ALONE = "sort on disk, 1 worker";
const S3 = "sort in S3";
const DATAFRAME = "PySpark, data frame";
const SHARDS = [1, 2, 4];
const viaRedis = (shards: number) => `sort on disk via ${shards} Redis`;

/** Sort of records of 100 bytes by 10, as in Terasort, whose lines GNU sort can sort too. */
const sortRecords: Benchmark = ({ sizeMib = 256, workers }) => {
  const file = path.join(workFolder(), `records-${sizeMib}.dat`);
  const withRecords = (take: () => Promise<Figures | undefined>) => () => {
    mkdirSync(workFolder(), { recursive: true });
    if (!existsSync(file)) writeRecords(file, Math.floor((sizeMib * 1024 * 1024) / 100));
    return take();
  };
  const sample = (options: Partial<SortSample>) =>
    withRecords(() => sampleOf("samples/sort.ts", { file, way: "kinglet", workers, ...options }));
  const servers = "node scripts/services.mjs install";
  const redis = SHARDS.map((shards) => ({
    name: viaRedis(shards),
    install: servers,
    sample: sample({ shards }),
  }));
  return {
    title: `sort: ${sizeMib} MiB of records of 100 bytes, ${workers} warm workers of 256 MiB`,
    defaultRuns: 3,
    variants: [
      { name: GNU, sample: sample({ way: "gnu" }) },
      { name: KINGLET, sample: sample({}) },
      { name: ALONE, sample: sample({ workers: 1 }) },
      ...redis,
      { name: S3, install: servers, sample: withRecords(() => inS3(file, workers)) },
      {
        name: DATAFRAME,
        install: "node bench/peers/install.mjs",
        sample: withRecords(() => byPySpark(file, workers)),
      },
    ],
    metrics: [
      { figure: "ms", title: "time", baseline: GNU },
      { figure: "sortMs", title: "first stage: runs", baseline: KINGLET },
      { figure: "mergeMs", title: "second stage: merges", baseline: KINGLET },
      { figure: "puts", title: "objects between", unit: "requests", baseline: KINGLET },
      { figure: "gets", title: "range reads between", unit: "requests", baseline: KINGLET },
      { figure: "microUsd", title: "cost at AWS", unit: "µ$", baseline: KINGLET },
    ],
    bars: [
      { text: "sort takes, against GNU sort,", figure: ratio("ms", KINGLET, GNU), atMost: 1.5 },
      {
        text: "sort takes, against PySpark's data frame,",
        figure: ratio("ms", KINGLET, DATAFRAME),
        atMost: 1,
      },
      asFormula("puts", "formulaPuts"),
      asFormula("gets", "formulaGets"),
    ],
    notes: [
      "GNU sort: LC_ALL=C sort --parallel=<workers> -S <workers × 256M>, its start included; PySpark with as much memory for its driver,",
      "but 1 GiB at least, its start left out. The output of all but PySpark is checked: its order, and the sum of its records' checksums.",
      "Cost: workers as on Lambda (arm64), requests as of S3 (input and output too), Redis by the second of cache.r7g.large nodes.",
    ],
  };
};

/** Requests that were made over those of the formula in docs/dataflow.md. */
const asFormula = (requests: string, formula: string): Bar => ({
  text: `${requests} between / the formula's`,
  figure: (round) => {
    const figures = round.get(KINGLET);
    return figures && figures[requests]! / figures[formula]!;
  },
  atMost: 1,
  atLeast: 1,
});

async function inS3(file: string, workers: number): Promise<Figures | undefined> {
  const s3 = await service<S3Facts>("s3");
  if (!s3) return undefined;
  const env = {
    ...{ AWS_ENDPOINT_URL_S3: s3.endpoint, AWS_REGION: s3.region },
    ...{ AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
  };
  const storage = `s3://${await newBucket()}/sort?pathStyle=true`;
  return sampleOf("samples/sort.ts", { file, way: "kinglet", workers, storage, env } satisfies SortSample);
}

async function byPySpark(file: string, workers: number): Promise<Figures | undefined> {
  const folder = newFolder(workFolder());
  try {
    // A JVM starts with less than that only with luck.
    const memoryMb = Math.max(1024, 256 * workers);
    return await pysparkFigures("sort.py", [
      file,
      path.join(folder, "out"),
      `${workers}`,
      `${memoryMb}`,
      "dataframe",
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export default sortRecords;
