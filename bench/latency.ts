import type { RedisFacts } from "../test/services/redis.ts";
import type { Bar, Benchmark, Figures, Metric } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";
import type { LatencyLoad } from "./samples/latency.ts";
import { redisBenchmark } from "./storage/redis-benchmark.ts";
import { service } from "./storage/services.ts";

const CLIENTS = [1, 10, 100, 1000];
const SIZE_BYTES = 128;
const OURS = "kinglet";
const BARE = "bare ioredis";
const FLOOR = "redis-benchmark";

const rowOf = (name: string, clients: number): string =>
  `${name}, ${clients} client${clients > 1 ? "s" : ""}`;
const floorOf = (row: string): string => FLOOR + row.slice(row.indexOf(","));

/** Some hundred calls of each client, but not so many that 1,000 of them take minutes. */
const requestsOf = (clients: number, n: number): number => Math.max(n, clients * 10);

async function sample(name: string, clients: number, n: number): Promise<Figures | undefined> {
  const redis = await service<RedisFacts>("redis");
  if (!redis) return undefined;
  const requests = requestsOf(clients, n);
  if (name !== FLOOR) {
    const load: LatencyLoad = { ...redis, subject: name, clients, requests, sizeBytes: SIZE_BYTES };
    return sampleOf("samples/latency.ts", load);
  }
  const { set, get } = await redisBenchmark({
    ...redis,
    clients,
    requests,
    pipeline: 1,
    sizeBytes: SIZE_BYTES,
  });
  return {
    ...{ putP50Micros: set.p50Ms * 1000, putP99Micros: set.p99Ms * 1000, putPerSecond: set.perSecond },
    ...{ getP50Micros: get.p50Ms * 1000, getP99Micros: get.p99Ms * 1000, getPerSecond: get.perSecond },
  };
}

const bar = (operation: "put" | "get"): Bar => ({
  text: `${operation} with 10 clients: operations/s over bare ioredis'`,
  figure: (round) => {
    const [own, bare] = [OURS, BARE].map((name) => round.get(rowOf(name, 10))?.[`${operation}PerSecond`]);
    return own === undefined || bare === undefined ? undefined : own / bare;
  },
  atLeast: 0.9,
});

/** 128-byte values in Redis: how long a put and a get take, by the number of clients that do nothing else. */
const latency: Benchmark = ({ n = 10_000 }) => ({
  title: `latency: put and get of ${SIZE_BYTES} bytes in Redis, by number of clients`,
  variants: CLIENTS.flatMap((clients) =>
    [OURS, BARE, FLOOR].map((name) => ({
      name: rowOf(name, clients),
      install: "node scripts/services.mjs install",
      sample: () => sample(name, clients, n),
    })),
  ),
  defaultRuns: 3,
  metrics: (["put", "get"] as const).flatMap((operation): Metric[] =>
    (["P50", "P99"] as const).map((quantile) => ({
      figure: `${operation}${quantile}Micros`,
      title: `${operation}, ${quantile.toLowerCase()}`,
      ...{ unit: "µs", baseline: floorOf, baselineTitle: FLOOR },
    })),
  ),
  bars: [bar("put"), bar("get")],
  notes: [
    "A client is a connection that has one call under way at a time; all clients of a row are in one process.",
    "redis-benchmark is Redis's own load generator, in C: what the server gives.",
  ],
});

export default latency;
