import type { Pool } from "kinglet";

/** Processor time of this process and, as far as they are reached, of the pool's workers, in milliseconds. */
export async function processorTimeMs(pool: Pool, workers: number): Promise<number> {
  const own = process.cpuUsage();
  const times = new Map([[process.pid, own.user + own.system]]);
  const ofWorker = async () => {
    const { user, system } = process.cpuUsage();
    // Long enough for each worker to get one.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return [process.pid, user + system] as const;
  };
  for (const [pid, us] of await pool.map(ofWorker, Array(workers).keys(), { batch: 1 })) times.set(pid, us);
  return [...times.values()].reduce((sum, us) => sum + us, 0) / 1000;
}
