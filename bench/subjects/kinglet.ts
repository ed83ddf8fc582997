import { openPool } from "kinglet";
import type { Subject } from "./subject.ts";

const echo = <T>(value: T): T => value;

/** Its results are durable; the peers keep nothing. */
export async function open(workers: number): Promise<Subject> {
  const pool = openPool({ concurrency: workers, logs: false });
  return {
    run: async <T>(value: T) => (await pool.run(echo, value)) as T,
    map: async <T>(values: readonly T[]) => (await pool.map(echo, values)) as T[],
    close: () => pool.close(),
  };
}
