import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Suites of jobs that can't run on a store, or with workers, yet. */
export interface Without {
  readonly without?: readonly string[];
}

/** The test files here that declare their tests for the store that they are given (`onEveryStore`). */
export async function loadJobSuites({ without = [] }: Without = {}): Promise<void> {
  const suites = readdirSync(import.meta.dirname)
    .filter((name) => /^[\w-]+\.test\.ts$/.test(name))
    .filter((name) => readFileSync(path.join(import.meta.dirname, name), "utf8").includes("\nonEveryStore("));
  for (const name of suites.map((file) => file.replace(".test.ts", ""))) {
    if (!without.includes(name)) await import(`./${name}.test.ts`);
  }
}
