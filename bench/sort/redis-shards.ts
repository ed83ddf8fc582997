import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { findBinary } from "../../test/services/binaries.ts";

export interface Shards {
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

/** So many Redis servers in memory, on free ports of this machine; undefined where Redis isn't installed. */
export async function startShards(count: number, folder: string): Promise<Shards | undefined> {
  const binary = findBinary("redis-server");
  if (binary === undefined) return undefined;
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const servers = ports.map((port) =>
    spawn(
      binary,
      ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
      {
        stdio: "ignore",
      },
    ),
  );
  const stop = async () => {
    const ends = servers.map((server) => (server.exitCode === null ? once(server, "close") : undefined));
    for (const server of servers) server.kill("SIGTERM");
    await Promise.all(ends);
  };
  try {
    await Promise.all(ports.map(answers));
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls: ports.map((port) => `redis://127.0.0.1:${port}/0`), stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, "127.0.0.1");
    const isThere = await new Promise((resolve) =>
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false)),
    );
    socket.destroy();
    if (isThere) return;
    await delay(50);
  }
  throw new Error(`redis-server doesn't answer on port ${port}`);
}
