import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the range that systems give to outgoing connections, with room above for a cluster's second port. */
const [FIRST, LAST] = [12_000, 22_000];

/**
 * A loopback port that was free a moment ago, and with it `port + offset` for each of `offsets`.
 * Another process may take it meanwhile, so whoever starts a server on it must be ready to try again.
 */
export async function freePort(offsets: readonly number[] = []): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(FIRST, LAST);
    const free = await Promise.all([0, ...offsets].map((offset) => isFree(port + offset)));
    if (free.every(Boolean)) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${LAST} on 127.0.0.1 in 200 tries`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", () => resolve(false))
      .listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
