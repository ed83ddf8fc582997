import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SOCKET_VARIABLE, socketIn, startKeeper } from "./keeper-process.ts";

/**
 * Before a test run: a process that starts services when a test asks for one. Not where services are kept between
 * runs (`node scripts/services.mjs start`).
 */
export default async function setUp(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[SOCKET_VARIABLE]) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-services-"));
  const keeper = await startKeeper(folder);
  process.env[SOCKET_VARIABLE] = socketIn(folder);
  return async () => {
    delete process.env[SOCKET_VARIABLE];
    const ended = new Promise((resolve) => keeper.once("exit", resolve));
    keeper.stdin!.end();
    await ended;
  };
}
