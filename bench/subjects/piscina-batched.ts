import { Piscina } from "piscina";
import type { Subject } from "./subject.ts";

const BATCH = 64;

/** What a user who knows the cost of a call writes around piscina: 64 values a call. */
export async function open(workers: number): Promise<Subject> {
  const filename = new URL("./echo-many.mjs", import.meta.url).href;
  const piscina = new Piscina({ filename, minThreads: workers, maxThreads: workers });
  return {
    run: async <T>(value: T) => (await piscina.run([value]))[0] as T,
    async map<T>(values: readonly T[]) {
      const batches: Promise<T[]>[] = [];
      for (let i = 0; i < values.length; i += BATCH) batches.push(piscina.run(values.slice(i, i + BATCH)));
      return (await Promise.all(batches)).flat() as T[];
    },
    close: () => piscina.destroy(),
  };
}
