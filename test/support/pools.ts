import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach } from "vitest";
import { openPool, type Pool, type PoolOptions } from "../../src/index.ts";

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-test-"));
  folders.push(folder);
  return folder;
}

let makeStorage = (): string => path.join(temporaryFolder(), "store");

/** A new, empty store, as the option `storage` names it: on disk, unless the test runs on other stores too. */
export const freshStorage = (): string => makeStorage();

/** Which stores the tests get from now on; see job-stores.ts. */
export function setFreshStorage(make: () => string): void {
  makeStorage = make;
}

let poolDefaults: PoolOptions = {};

/** Further options that test pools have from now on. */
export function setPoolDefaults(options: PoolOptions): void {
  poolDefaults = options;
}

/** A pool of two workers on a store of its own, closed after the test. */
export function testPool(options: PoolOptions = {}): Pool {
  const pool = openPool({
    storage: freshStorage(),
    concurrency: 2,
    logs: false,
    ...poolDefaults,
    ...options,
  });
  pools.push(pool);
  return pool;
}

const pools: Pool[] = [];
const folders: string[] = [];

afterEach(async () => {
  // What a test didn't look at is not its business here.
  await Promise.allSettled(pools.splice(0).map((pool) => pool.close({ cancel: true })));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** What a promise was rejected with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error("it was expected to be rejected");
}

/** What a call threw at once. */
export function thrown(call: () => unknown): Error & Record<string, unknown> {
  try {
    call();
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error("it was expected to throw");
}
