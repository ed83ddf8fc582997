import path from "node:path";
import { type Daemon, run, startDaemon, waitUntil } from "./daemon.ts";
import { freePort } from "./ports.ts";
import type { Running } from "./radosgw.ts";

export interface RedisFacts {
  readonly host: string;
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
}

export interface RedisClusterFacts {
  /** One address of each shard. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** `redis+cluster://127.0.0.1:<port>` */
  readonly url: string;
}

const HOST = "127.0.0.1";
/** A cluster's servers talk to one another on their port + 10,000. */
const BUS_OFFSET = 10_000;
const SHARDS = 3;

/** One Redis server on loopback, in memory alone. */
export async function startRedis(folder: string): Promise<Running<RedisFacts>> {
  const port = await freePort();
  const daemon = startServer(folder, port);
  const stop = () => daemon.stop();
  return stoppedUnless(stop, async () => {
    await waitUntil("redis-server", () => pings(port), [daemon]);
    return { facts: { host: HOST, port, url: `redis://${HOST}:${port}` }, daemons: [daemon], stop };
  });
}

/** A certificate that nobody vouches for but who trusts the file, and its key: for 127.0.0.1 alone, and no secret. */
export const TLS_FILES = {
  cert: path.join(import.meta.dirname, "tls/cert.pem"),
  key: path.join(import.meta.dirname, "tls/key.pem"),
};

/** One Redis server that speaks TLS only. */
export async function startRedisWithTls(folder: string): Promise<Running<RedisFacts>> {
  const port = await freePort();
  const files = ["--tls-cert-file", TLS_FILES.cert, "--tls-key-file", TLS_FILES.key];
  const args = ["--tls-port", String(port), ...files, "--tls-auth-clients", "no"];
  const daemon = startServer(folder, 0, args);
  const stop = () => daemon.stop();
  return stoppedUnless(stop, async () => {
    await waitUntil("redis-server", () => pings(port, ["--tls", "--insecure"]), [daemon]);
    return { facts: { host: HOST, port, url: `rediss://${HOST}:${port}` }, daemons: [daemon], stop };
  });
}

/** Three Redis servers that share the keys between them, no replicas. */
export async function startRedisCluster(folder: string): Promise<Running<RedisClusterFacts>> {
  const ports: number[] = [];
  const daemons: Daemon[] = [];
  const stop = async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
  };
  return stoppedUnless(stop, async () => {
    for (let shard = 0; shard < SHARDS; shard++) {
      const port = await freePort([BUS_OFFSET]);
      ports.push(port);
      const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
      daemons.push(startServer(path.join(folder, String(port)), port, args));
      // Before the next port is chosen: this one is taken now.
      await waitUntil("redis-server", () => pings(port), daemons);
    }
    const nodes = ports.map((port) => ({ host: HOST, port }));
    const addresses = ports.map((port) => `${HOST}:${port}`);
    await run("redis-cli", ["--cluster", "create", ...addresses, "--cluster-yes"]);
    await waitUntil("the Redis cluster", () => allAgree(ports), daemons);
    return { facts: { nodes, url: `redis+cluster://${addresses[0]}` }, daemons, stop };
  });
}

async function stoppedUnless<T>(stop: () => Promise<void>, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await stop();
    throw error;
  }
}

function startServer(folder: string, port: number, more: readonly string[] = []): Daemon {
  const memoryOnly = ["--save", "", "--appendonly", "no"];
  const args = ["--bind", HOST, "--port", String(port), ...memoryOnly, "--daemonize", "no", ...more];
  return startDaemon("redis-server", args, { folder });
}

const pings = (port: number, options: readonly string[] = []): Promise<boolean> =>
  says(port, /PONG/, ...options, "ping");

async function allAgree(ports: readonly number[]): Promise<boolean> {
  const ready = await Promise.all(ports.map((port) => says(port, /cluster_state:ok/, "cluster", "info")));
  return ready.every(Boolean);
}

async function says(port: number, expected: RegExp, ...command: string[]): Promise<boolean> {
  try {
    return expected.test(await run("redis-cli", ["-h", HOST, "-p", String(port), ...command]));
  } catch {
    return false;
  }
}
