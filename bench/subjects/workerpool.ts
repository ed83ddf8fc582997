import { fileURLToPath } from "node:url";
import workerpool from "workerpool";
import type { Subject } from "./subject.ts";

/** A dedicated worker, as in workerpool's documentation; threads, started at once. */
export async function open(workers: number): Promise<Subject> {
  const script = fileURLToPath(new URL("./echo-workerpool.mjs", import.meta.url));
  const pool = workerpool.pool(script, { minWorkers: workers, maxWorkers: workers, workerType: "thread" });
  const run = async <T>(value: T) => (await pool.exec("echo", [value])) as T;
  return {
    run,
    map: <T>(values: readonly T[]) => Promise.all(values.map(run)),
    close: async () => void (await pool.terminate()),
  };
}
