import { openPool } from "kinglet";
import type { Subject } from "./subject.ts";

/** A closure written where it is called, with something captured: it is another function at each call. */
export async function open(workers: number): Promise<Subject> {
  const pool = openPool({ concurrency: workers, logs: false });
  const options = { wrap: false };
  return {
    run: async <T>(value: T) => (await pool.run((x) => (options.wrap ? [x] : x), value)) as T,
    map: async <T>(values: readonly T[]) => (await pool.map((x) => (options.wrap ? [x] : x), values)) as T[],
    close: () => pool.close(),
  };
}
