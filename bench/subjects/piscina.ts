import { Piscina } from "piscina";
import type { Subject } from "./subject.ts";

/** One call a task, as in piscina's documentation; its threads are started at once and never leave. */
export async function open(workers: number): Promise<Subject> {
  const filename = new URL("./echo.mjs", import.meta.url).href;
  const piscina = new Piscina({ filename, minThreads: workers, maxThreads: workers });
  return {
    run: <T>(value: T) => piscina.run(value) as Promise<T>,
    map: <T>(values: readonly T[]) => Promise.all(values.map((value) => piscina.run(value))) as Promise<T[]>,
    close: () => piscina.destroy(),
  };
}
