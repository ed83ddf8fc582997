/**
 * Runs tables of test/capture/torture: captures each function in this process, calls it in a worker process, and
 * reports. As a program: `node run-cases.ts <module>…`, one line of JSON a case, after the mark.
 */
import { pathToFileURL } from "node:url";
import { inspect, isDeepStrictEqual } from "node:util";
import { type AnyFunction, type CapturedFunction, captureFunction } from "../../src/capture/index.ts";
import { startWorker, type Worker } from "./worker.ts";

export interface Case {
  readonly name: string;
  readonly fn?: AnyFunction;
  /** Captures while its own frame is running. */
  readonly begin?: (capture: (fn: AnyFunction) => CapturedFunction) => CapturedFunction;
  readonly args: readonly unknown[];
  readonly expected?: unknown;
  /** Of the error, where capturing must fail. */
  readonly pattern?: string;
  readonly flags?: string;
  readonly once?: boolean;
  /** The call must reject: what is wrong with its error, or "". */
  readonly check?: (error: unknown) => string;
}

export interface Table {
  readonly feature: string;
  readonly cases: readonly Case[];
}

export interface CaseResult {
  readonly feature: string;
  readonly name: string;
  /** Empty if it is as it should be. */
  readonly problem: string;
}

export const MARK = "capture-case ";

/** What is wrong with a case, or "". */
export async function runCase(one: Case, worker: Worker): Promise<string> {
  let captured: CapturedFunction;
  try {
    captured = one.begin ? one.begin((fn) => captureFunction(fn)) : captureFunction(one.fn!);
    if (!one.begin && captureFunction(one.fn!).hash !== captured.hash)
      return "a second capture has another hash";
  } catch (error) {
    const { message } = error as Error;
    if (one.pattern && new RegExp(one.pattern, one.flags).test(message)) return "";
    return `capture failed: ${one.pattern ? message : (error as Error).stack}`;
  }
  if (one.pattern) return "it was captured, but it can't be";
  if (one.check) return checkError(one, captured, worker);
  try {
    const results = await worker.call(captured, ...(one.once ? [one.args] : [one.args, one.args]));
    const wrong = results.find((result) => !isDeepStrictEqual(result, one.expected));
    return wrong === undefined && !results.includes(undefined) ? "" : unlike(one, results);
  } catch (error) {
    return `call failed: ${error instanceof Error ? error.stack : inspect(error)}`;
  }
}

async function checkError(one: Case, captured: CapturedFunction, worker: Worker): Promise<string> {
  try {
    return `gave ${inspect(await worker.call(captured, one.args))} instead of an error`;
  } catch (error) {
    const problem = one.check!(error);
    return problem && `${problem}: ${inspect(error)}`;
  }
}

function unlike(one: Case, results: unknown[]): string {
  return isDeepStrictEqual(
    results,
    results.map(() => one.expected),
  )
    ? ""
    : `gave ${inspect(results, { depth: 9 })} instead of ${inspect(one.expected, { depth: 9 })}`;
}

export async function runTables(
  tables: readonly Table[],
  report: (result: CaseResult) => void,
): Promise<void> {
  const worker = startWorker({
    execArgv: process.execArgv.filter((option) => !option.startsWith("--disable-warning")),
    ...(process.env["KINGLET_TEST_PACKAGES_IN"]
      ? { packagesIn: process.env["KINGLET_TEST_PACKAGES_IN"] }
      : {}),
  });
  for (const { feature, cases } of tables) {
    for (const one of cases) report({ feature, name: one.name, problem: await runCase(one, worker) });
  }
  worker.close();
}

export async function main(tables: readonly Table[]): Promise<void> {
  await runTables(tables, (result) => console.log(MARK + JSON.stringify(result)));
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && "feature" in value && "cases" in value;
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) {
  const tables: Table[] = [];
  for (const file of process.argv.slice(2)) {
    const exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    tables.push(...new Set(Object.values(exports).filter(isTable)));
  }
  await main(tables);
  process.exit(0);
}
