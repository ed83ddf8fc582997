import { Piscina } from "piscina";
import type { Subject } from "./subject.ts";

/** For Uint8Arrays: the memory itself goes there and back, and the caller can't use its value any more. */
export async function open(workers: number): Promise<Subject> {
  const filename = new URL("./echo-transfer.mjs", import.meta.url).href;
  const piscina = new Piscina({ filename, minThreads: workers, maxThreads: workers });
  const run = <T>(value: T) =>
    piscina.run(value, { transferList: [(value as Uint8Array<ArrayBuffer>).buffer] }) as Promise<T>;
  return {
    run,
    map: <T>(values: readonly T[]) => Promise.all(values.map(run)),
    close: () => piscina.destroy(),
  };
}
