import type { RedisFacts } from "../test/services/redis.ts";
import type { Bar, Benchmark, Figures, Metric } from "./lib/benchmark.ts";
import { sampleOf } from "./lib/fresh-process.ts";
import type { LatencyLoad } from "./samples/latency.ts";
import { redisBenchmark } from "./storage/redis-benchmark.ts";
import { service } from "./storage/services.ts";

const CLIENTS = [1, 10, 100, 1000];
/** Above this it is the number of connections in one process that is measured. */
const MOST_IN_BARS = 100;
const SIZE_BYTES = 128;
const OURS = "kinglet";
const BARE = "bare ioredis";
const FLOOR = "redis-benchmark";
/** "alone": a connection for each client. "shared": one for all of them, as one store in a process has. */
const WAYS = ["alone", "shared"] as const;

interface Row {
  readonly subject: string;
  readonly clients: number;
  readonly shared: boolean;
}

function nameOf({ subject, clients, shared }: Row): string {
  return `${subject}, ${clients} ${shared ? "callers of one" : clients > 1 ? "clients" : "client"}`;
}

const ROWS: readonly Row[] = WAYS.flatMap((way) =>
  CLIENTS.filter((clients) => way === "alone" || clients > 1).flatMap((clients) =>
    [OURS, BARE, ...(way === "alone" ? [FLOOR] : [])].map((subject) => ({
      ...{ subject, clients, shared: way === "shared" },
    })),
  ),
);

/** redis-benchmark's row with as many clients. */
function floorOf(name: string): string {
  const { clients } = ROWS.find((row) => nameOf(row) === name)!;
  return nameOf({ subject: FLOOR, clients, shared: false });
}

/** Some hundred calls of each client, but not so many that 1,000 of them take minutes. */
const requestsOf = (clients: number, n: number): number => Math.max(n, clients * 10);

async function sample({ subject, clients, shared }: Row, n: number): Promise<Figures | undefined> {
  const redis = await service<RedisFacts>("redis");
  if (!redis) return undefined;
  const requests = requestsOf(clients, n);
  if (subject !== FLOOR) {
    const load: LatencyLoad = { ...redis, subject, clients, shared, requests, sizeBytes: SIZE_BYTES };
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

type Operation = "put" | "get";

const rateBar = (operation: Operation, clients: number, shared: boolean): Bar => ({
  text: `${operation}, ${shared ? `${clients} callers of one` : `clients: ${clients}`}: operations/s over bare ioredis'`,
  figure: (round) => {
    const [own, bare] = [OURS, BARE].map(
      (subject) => round.get(nameOf({ subject, clients, shared }))?.[`${operation}PerSecond`],
    );
    return own === undefined || bare === undefined ? undefined : own / bare;
  },
  atLeast: 0.9,
});

/** The paper's millisecond, up to 100 callers in a process. */
const latencyBar = (operation: Operation, clients: number): Bar => ({
  text: `${operation}, ${clients} callers of one: p50 in ms`,
  figure: (round) => {
    const micros = round.get(nameOf({ subject: OURS, clients, shared: true }))?.[`${operation}P50Micros`];
    return micros === undefined ? undefined : micros / 1000;
  },
  ...{ atMost: 1, unit: "ms" },
});

/** 128-byte values in Redis: how long a put and a get take, by the number of clients that do nothing else. */
const latency: Benchmark = ({ n = 10_000 }) => ({
  title: `latency: put and get of ${SIZE_BYTES} bytes in Redis, by number of clients`,
  variants: ROWS.map((row) => ({
    name: nameOf(row),
    install: "node scripts/services.mjs install",
    sample: () => sample(row, n),
  })),
  defaultRuns: 3,
  metrics: (["put", "get"] as const).flatMap((operation): Metric[] =>
    (["P50", "P99"] as const).map((quantile) => ({
      figure: `${operation}${quantile}Micros`,
      title: `${operation}, ${quantile.toLowerCase()}`,
      ...{ unit: "µs", baseline: floorOf, baselineTitle: FLOOR },
    })),
  ),
  bars: (["put", "get"] as const).flatMap((operation) => [
    ...ROWS.filter(({ subject, clients }) => subject === OURS && clients <= MOST_IN_BARS).map(
      ({ clients, shared }) => rateBar(operation, clients, shared),
    ),
    latencyBar(operation, 100),
  ]),
  notes: [
    "A client is a connection that has one call under way at a time; all clients of a row are in one process.",
    "Callers of one have one call under way each, and share a connection: a process opens one store for a location.",
    "ioredis has its auto-pipelining on for them. redis-benchmark is Redis's own load generator, in C: what the server gives.",
  ],
});

export default latency;
