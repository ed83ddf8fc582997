import { createRequire } from "node:module";
import type { Subject } from "./subject.ts";

const require = createRequire(import.meta.url);

/** The part of faast.js that is used here; it isn't a dependency of this repository (see bench/peers). */
interface FaastJs {
  faastLocal(
    functions: object,
    options: { concurrency: number; gc: "off" },
  ): Promise<{ functions: { echo<T>(value: T): Promise<T> }; cleanup(): Promise<void> }>;
}

/** Its local provider: the functions are bundled by webpack and run in child processes. */
export async function open(workers: number): Promise<Subject> {
  const { faastLocal } = require("../peers/node_modules/faastjs") as FaastJs;
  const faast = await faastLocal(require("./echo-faastjs.cjs"), { concurrency: workers, gc: "off" });
  return {
    run: <T>(value: T) => faast.functions.echo(value),
    map: <T>(values: readonly T[]) => Promise.all(values.map((value) => faast.functions.echo(value))),
    async close() {
      await faast.cleanup();
      // What it leaves open would keep the process for ten seconds more; the caller reports before this runs.
      setImmediate(() => process.exit());
    },
  };
}
