import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Table } from "./run-cases.ts";
import { runCase } from "./run-cases.ts";
import { startWorker, type Worker } from "./worker.ts";

// Vitest runs modules in a way of its own: imports become calls, and Node's loader doesn't know them.
process.env["TORTURE_LIB"] = path.join(import.meta.dirname, "torture/lib");
const FEATURES = [
  "functions",
  "variables",
  "values",
  "classes",
  "imports",
  "this",
  "errors",
  "live-bindings",
  "typescript",
  "lanes",
  "thrown",
];
const tables = (
  await Promise.all(
    FEATURES.map(async (name) => Object.values((await import(`./torture/${name}.ts`)) as object)),
  )
).flat() as Table[];

let worker: Worker;
beforeAll(() => {
  worker = startWorker();
});
afterAll(() => worker.close());

describe.each(tables)("in vitest: $feature", ({ cases }) => {
  test.each(cases)("$name", async (one) => {
    expect(await runCase(one, worker)).toBe("");
  });
});
