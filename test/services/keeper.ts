/**
 * The process that keeps the test services: it starts each when a test first asks for it, and ends them all when the
 * test run that it belongs to is over, however that ended.
 *
 * Usage: keeper.ts <folder> [--stay]. Listens on the socket `<folder>/socket`; ends when its stdin does, unless `--stay`.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import path from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { ServiceName } from "./binaries.ts";
import { startLambda } from "./lambda/start.ts";
import { type Running, type S3Facts, startRadosgw } from "./radosgw.ts";
import { startRedis, startRedisCluster } from "./redis.ts";

const STARTERS: Record<ServiceName, (folder: string) => Promise<Running<unknown>>> = {
  s3: startRadosgw,
  redis: startRedis,
  redisCluster: startRedisCluster,
  lambda: async (folder) => startLambda(folder, (await serviceOf("s3")).facts as S3Facts),
};
/** Another process may take a port between its choice and its use. */
const START_ATTEMPTS = 3;

const [folder, mode] = process.argv.slice(2);
if (!folder) throw new Error("usage: keeper.ts <folder> [--stay]");
const services = new Map<ServiceName, Promise<Running<unknown>>>();

async function serviceOf(name: ServiceName): Promise<Running<unknown>> {
  let service = services.get(name);
  if (!service) {
    service = start(name);
    services.set(name, service);
    service.catch(() => services.delete(name));
  }
  const running = await service;
  for (const daemon of running.daemons) {
    const end = daemon.ended();
    if (end) throw new Error(`a test service is gone: ${end}`);
  }
  return running;
}

async function start(name: ServiceName): Promise<Running<unknown>> {
  for (let attempt = 1; ; attempt++) {
    const own = path.join(folder!, `${name}-${attempt}`);
    mkdirSync(own, { mode: 0o700, recursive: true });
    try {
      return await STARTERS[name](own);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

async function makeBucket(): Promise<{ bucket: string }> {
  const facts = (await serviceOf("s3")).facts as S3Facts;
  const client = new S3Client({ ...facts, credentials: facts, forcePathStyle: true });
  const bucket = `test-${randomBytes(6).toString("hex")}`;
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } finally {
    client.destroy();
  }
  return { bucket };
}

async function answerTo(request: string): Promise<unknown> {
  if (request === "bucket") return makeBucket();
  if (request === "ping") return {};
  if (request === "stop") {
    setImmediate(end);
    return {};
  }
  if (request in STARTERS) return (await serviceOf(request as ServiceName)).facts;
  throw new Error(`the keeper of test services knows no ${JSON.stringify(request)}`);
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  answerTo(request.url!.slice(1)).then(
    (answer) => response.end(JSON.stringify({ answer })),
    (error: unknown) => {
      response.statusCode = 500;
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    },
  );
}

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  server.close();
  const stopping = [...services.values()].map(async (service) => (await service).stop());
  await Promise.allSettled(stopping);
  rmSync(folder!, { recursive: true, force: true });
  process.exit(0);
}

const server = createServer(serve);
server.listen(path.join(folder, "socket"), () => {
  chmodSync(path.join(folder, "socket"), 0o600);
  process.stdout.write("ready\n");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
if (mode !== "--stay") process.stdin.on("end", end).on("error", end).resume();
