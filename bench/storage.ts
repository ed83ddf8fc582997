import { rmSync } from "node:fs";
import { missingBinaries } from "../test/services/binaries.ts";
import type { S3Facts } from "../test/services/radosgw.ts";
import type { RedisFacts } from "../test/services/redis.ts";
import type { Bar, Benchmark, Figures, Metric, Round, Sizes } from "./lib/benchmark.ts";
import { workFolder } from "./lib/fresh-process.ts";
import { CLIENTS, type ClientName, type Place } from "./storage/client.ts";
import { redisBenchmark } from "./storage/redis-benchmark.ts";
import { newBucket, newFolder, service } from "./storage/services.ts";
import type { Step } from "./storage/step.ts";
import { Team } from "./storage/team.ts";

type StoreKind = (typeof CLIENTS)[ClientName];

const WORKERS = [1, 2, 4];
const SMALL_BYTES = 1024;
const BARE = { disk: "plain files", s3: "bare HTTP", redis: "bare ioredis" } as const;
const REDIS_BENCHMARK = "redis-benchmark";
/** Small objects of a worker, as a multiple of `--n`: each step is to take some tenths of a second. */
const SMALL_OBJECTS = { disk: 4, s3: 1, redis: 20 };

const rowOf = (client: string, workers: number): string =>
  `${client}, ${workers} worker${workers > 1 ? "s" : ""}`;
const clientOf = (row: string): string => row.replace(/, \d+ workers?$/, "");
const clientsOf = (kind: StoreKind): ClientName[] =>
  (Object.keys(CLIENTS) as ClientName[]).filter((name) => CLIENTS[name] === kind);

/** The row of the bare client of the same store, with as many workers. */
function bareOf(row: string): string {
  const client = clientOf(row);
  const kind = client === REDIS_BENCHMARK ? "redis" : CLIENTS[client as ClientName];
  return BARE[kind] + row.slice(client.length);
}

interface NamedStep extends Step {
  /** Start of the figures' names. */
  readonly name: string;
}

function stepsOf(kind: StoreKind, { n = 300, sizeMib = 64 }: Sizes): NamedStep[] {
  const small = { objects: n * SMALL_OBJECTS[kind], sizeBytes: SMALL_BYTES, inFlight: 16 };
  const big = { objects: 1, sizeBytes: sizeMib << 20, inFlight: 1 };
  return [
    { name: "putSmall", operation: "put", ...small },
    { name: "getSmall", operation: "get", ...small },
    { name: "putBig", operation: "put", ...big },
    { name: "getBig", operation: "get", ...big },
  ];
}

/** Every client of a store takes each step in turn, so that all meet the same noise. */
async function measureStore(
  kind: StoreKind,
  place: Place,
  sizes: Sizes,
  env: Record<string, string>,
): Promise<Round> {
  const rows = new Map<string, Figures>();
  const add = (client: string, workers: number, figures: Figures) =>
    rows.set(rowOf(client, workers), { ...rows.get(rowOf(client, workers)), ...figures });
  const teams = new Map<ClientName, Team>();
  try {
    for (const name of clientsOf(kind))
      teams.set(name, await Team.start(name, place, Math.max(...WORKERS), env));
    const steps = stepsOf(kind, sizes);
    for (const team of teams.values()) {
      for (const step of steps.slice(0, 2)) await team.measure(step, Math.max(...WORKERS));
      await team.remove(steps[0]!, Math.max(...WORKERS));
    }
    for (const workers of WORKERS) {
      for (const step of steps) {
        for (const [name, team] of teams) {
          const measured = await team.measure(step, workers);
          add(name, workers, {
            [`${step.name}PerSecond`]: measured.operationsPerSecond,
            [`${step.name}MibPerSecond`]: measured.mibPerSecond,
            [`${step.name}CpuMicros`]: measured.cpuMicrosPerOperation,
          });
        }
      }
      if (kind === "redis") add(REDIS_BENCHMARK, workers, await redisFigures(place, steps[0]!, workers));
      for (const team of teams.values()) {
        for (const step of [steps[0]!, steps[2]!]) await team.remove(step, workers);
      }
    }
  } finally {
    for (const team of teams.values()) await team.end();
  }
  return rows;
}

async function redisFigures(place: Place, step: Step, workers: number): Promise<Figures> {
  const { set, get } = await redisBenchmark({
    ...place.redis!,
    ...{
      clients: workers,
      pipeline: step.inFlight,
      sizeBytes: step.sizeBytes,
      requests: step.objects * workers,
    },
  });
  return { putSmallPerSecond: set.perSecond, getSmallPerSecond: get.perSecond };
}

async function takeRound(sizes: Sizes): Promise<Round> {
  const [s3, redis] = [await service<S3Facts>("s3"), await service<RedisFacts>("redis")];
  const folder = newFolder(workFolder());
  try {
    const rounds = [await measureStore("disk", { folder }, sizes, {})];
    if (s3) {
      const place = { folder, s3: { endpoint: s3.endpoint, region: s3.region, bucket: await newBucket() } };
      const env = { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey };
      rounds.push(await measureStore("s3", place, sizes, env));
    }
    if (redis) rounds.push(await measureStore("redis", { folder, redis }, sizes, {}));
    return new Map(rounds.flatMap((round) => [...round]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `figure` of one client over that of another, both with two workers. */
const compared =
  (figure: string, of: string, over: string): Bar["figure"] =>
  (round) => {
    const [above, below] = [of, over].map((client) => round.get(rowOf(client, 2))?.[figure]);
    return above === undefined || below === undefined ? undefined : above / below;
  };

const BARS: Bar[] = [
  ...["put", "get"].flatMap((operation): Bar[] => [
    {
      text: `S3, ${operation} of 1 KiB: CPU of aws-sdk over Kinglet's`,
      figure: compared(`${operation}SmallCpuMicros`, "aws-sdk", "kinglet, S3"),
      atLeast: 4,
    },
    ...(["bare HTTP, signed", "bare HTTP"] as const).map((bare) => ({
      text: `S3, ${operation} of big objects: MiB/s over those of ${bare}`,
      figure: compared(`${operation}BigMibPerSecond`, "kinglet, S3", bare),
      atLeast: 0.9,
    })),
    {
      text: `Redis, ${operation} of 1 KiB: operations/s over bare ioredis'`,
      figure: compared(`${operation}SmallPerSecond`, "kinglet, Redis", "bare ioredis"),
      atLeast: 0.9,
    },
  ]),
];

/** Objects put and got by several worker processes, beside what disk and servers give a bare client. */
const storage: Benchmark = (sizes) => {
  const clients = [...(Object.keys(CLIENTS) as ClientName[]), REDIS_BENCHMARK];
  const metric = (figure: string, title: string, unit: NonNullable<Metric["unit"]>): Metric => ({
    ...{ figure, title, unit, baseline: bareOf, baselineTitle: "bare" },
  });
  const big = `${sizes.sizeMib ?? 64} MiB`;
  return {
    title: `storage: objects of ${big} and 1 KiB, by 1, 2 and 4 worker processes`,
    variants: clients.flatMap((client) => WORKERS.map((workers) => ({ name: rowOf(client, workers) }))),
    defaultRuns: 3,
    takeRound: () => takeRound(sizes),
    metrics: [
      metric("putBigMibPerSecond", `put ${big}`, "MiB/s"),
      metric("getBigMibPerSecond", `get ${big}`, "MiB/s"),
      metric("putSmallPerSecond", "put 1 KiB", "op/s"),
      metric("getSmallPerSecond", "get 1 KiB", "op/s"),
      metric("putSmallCpuMicros", "put 1 KiB, CPU each", "µs"),
      metric("getSmallCpuMicros", "get 1 KiB, CPU each", "µs"),
    ],
    bars: BARS,
    notes: [
      "All workers together; big objects one after the other in each worker, small ones 16 at a time.",
      "bare: the same store with nothing around it (files in place; HTTP with requests signed before; ioredis).",
      "bare HTTP sends bodies that nobody checks, and forgets what it gets; 'signed' hashes the one and keeps the other.",
      "CPU is that of the worker processes. Servers run on the same machine: more workers leave them less.",
      ...(["s3", "redis"] as const)
        .filter((name) => missingBinaries(name).length > 0)
        .map((name) => `${name} isn't installed: node scripts/services.mjs install`),
    ],
  };
};

export default storage;
