import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openPool } from "../../src/index.ts";

/** One pool of two workers for all tests of a file: each would wait for workers of its own. */
export function sharedPool() {
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-dataflow-"));
  const storage = path.join(folder, "store");
  const pool = openPool({ storage, concurrency: 2, logs: false });
  const close = async () => {
    await pool.close({ cancel: true }).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  };
  return { pool, folder, storage, close };
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
