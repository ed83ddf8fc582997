import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { missingBinaries, type ServiceName } from "../../test/services/binaries.ts";
import { askKeeper, SOCKET_VARIABLE, socketIn, startKeeper } from "../../test/services/keeper-process.ts";

let keeper: Promise<string> | undefined;

/** A real server for this benchmark, or undefined where it isn't installed. It ends with this process. */
export async function service<Facts>(name: ServiceName): Promise<Facts | undefined> {
  if (missingBinaries(name).length > 0) return undefined;
  return askKeeper<Facts>(await keeperSocket(), name);
}

export async function newBucket(): Promise<string> {
  return (await askKeeper<{ bucket: string }>(await keeperSocket(), "bucket")).bucket;
}

function keeperSocket(): Promise<string> {
  keeper ??= startOwnKeeper();
  return keeper;
}

async function startOwnKeeper(): Promise<string> {
  const kept = process.env[SOCKET_VARIABLE];
  if (kept) return kept;
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-bench-services-"));
  const process_ = await startKeeper(folder);
  // It ends with its stdin, which ends with this process; waiting for it would keep both.
  process_.unref();
  (process_.stdin as unknown as { unref(): void }).unref();
  return socketIn(folder);
}

/** An empty folder under `parent`. */
export function newFolder(parent: string): string {
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(path.join(parent, "tmp-"));
}
