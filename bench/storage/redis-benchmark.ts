import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface RedisLoad {
  readonly host: string;
  readonly port: number;
  /** Connections. */
  readonly clients: number;
  /** Commands that a connection has under way at a time. */
  readonly pipeline: number;
  readonly sizeBytes: number;
  readonly requests: number;
}

export interface RedisRates {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What Redis's own load generator, in C, gets out of the server. */
export async function redisBenchmark(load: RedisLoad): Promise<{ set: RedisRates; get: RedisRates }> {
  const { stdout } = await promisify(execFile)("redis-benchmark", [
    ...["-h", load.host, "-p", String(load.port), "-t", "set,get", "--csv"],
    ...["-c", String(load.clients), "-P", String(load.pipeline), "-d", String(load.sizeBytes)],
    ...["-n", String(load.requests), "-r", "10000"],
  ]);
  const rows = stdout.split("\n").map((line) => line.split(",").map((cell) => cell.replaceAll('"', "")));
  const header = rows[0]!;
  const ratesOf = (test: string): RedisRates => {
    const row = rows.find(([name]) => name === test)!;
    const cell = (name: string) => Number(row[header.indexOf(name)]);
    return { perSecond: cell("rps"), p50Ms: cell("p50_latency_ms"), p99Ms: cell("p99_latency_ms") };
  };
  return { set: ratesOf("SET"), get: ratesOf("GET") };
}
