import { Redis } from "ioredis";
import { parseRedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import type { Figures } from "../lib/benchmark.ts";
import { report, sampleArgument } from "../lib/fresh-process.ts";

export interface LatencyLoad {
  readonly subject: string;
  readonly host: string;
  readonly port: number;
  readonly clients: number;
  /** All clients on one connection. */
  readonly shared: boolean;
  /** In all, of each operation. */
  readonly requests: number;
  readonly sizeBytes: number;
}

interface Client {
  put(key: string, value: Uint8Array): Promise<unknown>;
  get(key: string): Promise<Uint8Array | null | undefined>;
  close(): Promise<unknown>;
}

const load = sampleArgument<LatencyLoad>();
const value = Buffer.alloc(load.sizeBytes, "v");

async function open(): Promise<Client> {
  if (load.subject === "kinglet") {
    const store = await openRedisKeyValueStore(
      parseRedisLocation(`redis://${load.host}:${load.port}/0?prefix=bench`),
    );
    return {
      put: (key, bytes) => store.set(key, bytes),
      get: (key) => store.get(key),
      close: () => store.close(),
    };
  }
  const { host, port, shared } = load;
  const redis = new Redis({ host, port, lazyConnect: true, enableAutoPipelining: shared });
  await redis.connect();
  return {
    put: (key, bytes) => redis.set(key, bytes as Buffer),
    get: (key) => redis.getBuffer(key),
    close: () => redis.quit(),
  };
}

interface Round {
  readonly micros: Float64Array;
  readonly perSecond: number;
}

/** Each client one call after the other, all clients at once. */
async function measure(
  clients: readonly Client[],
  requests: number,
  call: (client: Client, key: string) => Promise<unknown>,
): Promise<Round> {
  const micros = new Float64Array(requests);
  let next = 0;
  const startedAtMs = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (next < requests) {
        const i = next++;
        const calledAtMs = performance.now();
        await call(client, `latency:${i % 10_000}`);
        micros[i] = (performance.now() - calledAtMs) * 1000;
      }
    }),
  );
  return { micros: micros.sort(), perSecond: (requests * 1000) / (performance.now() - startedAtMs) };
}

const quantile = (sorted: Float64Array, q: number): number => sorted[Math.floor(q * (sorted.length - 1))]!;

const connections: Client[] = [];
const connectionCount = load.shared ? 1 : load.clients;
// Not a thousand at once: the server's queue of new connections is shorter.
while (connections.length < connectionCount)
  connections.push(
    ...(await Promise.all(Array.from({ length: Math.min(50, connectionCount - connections.length) }, open))),
  );
const clients = Array.from({ length: load.clients }, (_, i) => connections[i % connections.length]!);

const put = (client: Client, key: string) => client.put(key, value);
const get = async (client: Client, key: string) => {
  const found = await client.get(key);
  if (found?.length !== load.sizeBytes) throw new Error(`${key} has ${found?.length} bytes`);
};
const warmUp = Math.min(load.requests, 2000);
await measure(clients, warmUp, put);
const puts = await measure(clients, load.requests, put);
await measure(clients, warmUp, get);
const gets = await measure(clients, load.requests, get);
await Promise.all(connections.map((client) => client.close()));

const figuresOf = (name: string, { micros, perSecond }: Round): Figures => ({
  [`${name}P50Micros`]: quantile(micros, 0.5),
  [`${name}P99Micros`]: quantile(micros, 0.99),
  [`${name}PerSecond`]: perSecond,
});
report({ ...figuresOf("put", puts), ...figuresOf("get", gets) });
