/**
 * Capture: functions with all that they need → bytes and back. See contract.ts for what comes out, restore.ts for
 * the worker's side.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { isNative } from "../codec/graph/builtins.ts";
import { type Graph, packGraph } from "../codec/graph/envelope.ts";
import type { GraphTable } from "../codec/graph/nodes.ts";
import { CaptureError, UsageError } from "../errors.ts";
import { writeGraph } from "./capture-graph.ts";
import { isClosed, isConstant } from "./closed.ts";
import type { CapturedFunction, CaptureOptions } from "./contract.ts";
import { areFilesElsewhere, placeThere } from "./elsewhere.ts";
import { identityOf } from "./identity.ts";
import { shortPath } from "./steps.ts";
import { pathOf } from "./urls.ts";

export type { CapturedFunction, CaptureOptions, FunctionInstance, RestoredFunction } from "./contract.ts";
export { type DriverGraphLane, driverGraphLane } from "./lanes.ts";
export { setMainScript } from "./references.ts";
export { restoreFunction, workerGraphLane } from "./restore.ts";

// biome-ignore lint/suspicious/noExplicitAny: any function can be captured, whatever it takes
export type AnyFunction = (...args: any[]) => unknown;

/** Functions whose capture can't change, by their kind of capture. */
const constant = {
  reference: new WeakMap<object, CapturedFunction>(),
  value: new WeakMap<object, CapturedFunction>(),
};

/**
 * Captures a function: its code, the values of the variables it uses, the functions and classes of its file, and
 * references to what it imports. Synchronous; reads source files of the program, nothing else.
 *
 * Costs about 2 ms for a small closure and 60 ms for the first one in a process; a function that captured nothing
 * but imports and constants is captured once, and again in microseconds. Big plain data (from 1,000 objects or
 * 64 KiB on) takes `v8.serialize`'s own time about twice; workers decode it once and share it between tasks, read-only.
 *
 * @throws CaptureError naming the captured variable that can't be sent, who captured it, and what to do
 * @example
 * const factor = 3;
 * const captured = captureFunction((x: number) => x * factor);
 * const { call } = (await restoreFunction(captured.bytes)).instance();
 * call(2); // 6
 */
export function captureFunction(fn: AnyFunction, options: CaptureOptions = {}): CapturedFunction {
  if (typeof fn !== "function") {
    throw new CaptureError(`there is no function to capture: it is ${fn === null ? "null" : typeof fn}`);
  }
  const userFiles = options.userFiles ?? "reference";
  const known = constant[userFiles].get(fn);
  if (known && !hasOwnProperties(fn)) return known;
  const { graph, capture } = writeGraph(fn, "fn", { userFiles }, (written, root) => {
    // Sloppy code would not notice that its writes to frozen data do nothing.
    const plainShared = written.units.every((unit) => unit.isStrict || !unit.parsed.facts.writesProperties);
    return { closed: isClosed(written, root, plainShared), plainShared, name: fn.name };
  });
  const unit = capture.units.find((candidate) => candidate.fn === fn);
  const location = unit?.label.split("  ")[1] ?? graph.table.imports[0]?.specifier ?? "";
  const captured = describe(graph, fn.name, location, capture.warnings);
  if (graph.table.closed && isConstant(capture) && !isNative(fn)) constant[userFiles].set(fn, captured);
  return captured;
}

function hasOwnProperties(fn: object): boolean {
  for (const key of Reflect.ownKeys(fn)) {
    if (key !== "length" && key !== "name" && key !== "prototype") return true;
  }
  return false;
}

/**
 * A module's export in place of a closure: the worker imports it. Works everywhere, also where V8 has no inspector.
 *
 * @param specifier a `file:` URL, a path, or a package's specifier
 * @param exportName default `default`
 * @param parentUrl what a relative path or a package's name is resolved from; default: the working directory
 * @throws UsageError BAD_ARGUMENT if it is a file that does not exist
 */
export function captureModule(
  specifier: string | URL,
  exportName = "default",
  parentUrl?: string,
): CapturedFunction {
  const parent = parentUrl ?? pathToFileURL(path.join(process.cwd(), "_.js")).href;
  const text = String(specifier);
  const isPath = /^\.{0,2}\//.test(text) || path.isAbsolute(text);
  const here = isPath ? new URL(path.isAbsolute(text) ? pathToFileURL(text).href : text, parent).href : text;
  const target = placeThere(here);
  if (here.startsWith("file:") && !areFilesElsewhere() && !existsSync(pathOf(here))) {
    throw new UsageError("BAD_ARGUMENT", `there is no module ${shortPath(pathOf(target))}`, {
      remedy: 'Pass an absolute path or URL, such as import.meta.resolve("./task.ts").',
    });
  }
  const table: GraphTable = {
    nodes: [["import", 0, exportName]],
    root: 0,
    imports: [{ parent: placeThere(parent), specifier: target }],
    code: undefined,
    plainBody: -1,
    plainShared: false,
    attached: [],
    closed: true,
    name: exportName === "default" ? "" : exportName,
  };
  const location = target.startsWith("file:") ? shortPath(pathOf(target)) : target;
  return describe({ table, bodies: [] }, table.name, location, []);
}

function describe(
  graph: Graph,
  name: string,
  location: string,
  warnings: readonly string[],
): CapturedFunction {
  const bytes = packGraph(graph);
  const hash = createHash("sha256").update(bytes).digest("hex");
  return { hash, identity: () => identityOf(bytes), bytes, name, location, warnings };
}
