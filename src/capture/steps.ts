import path from "node:path";
import type { Problem } from "../codec/graph/kinds.ts";
import { type PathStep, pathSteps, pathText } from "../codec/graph/path.ts";
import { CaptureError, UnserializableError } from "../errors.ts";
import type { CodeLocation } from "./inspector.ts";
import type { Script } from "./scripts.ts";

/** A step of the way to a value that leads through functions and their variables. */
export interface CaptureStep extends PathStep {
  /** The captured variable that this step enters. */
  readonly variable?: string;
  /** The function that this step enters, for messages: `query  report.ts:13:15`. */
  readonly capturedBy?: string;
  /** The module-level variable entered, whose initialiser could be run again in the worker. */
  readonly cell?: { readonly script: Script; readonly name: string; readonly value: unknown };
}

/** A step into a captured variable. */
export function variableStep(parent: CaptureStep, variable: string, cell?: CaptureStep["cell"]): CaptureStep {
  return { parent, text: variable, variable, ...(cell ? { cell } : {}) };
}

/** The same step, known to be a function. */
export function functionStep(step: CaptureStep, capturedBy: string): CaptureStep {
  return { ...step, capturedBy };
}

/** `report.ts:13:15`: relative to the working directory where the file is near it; lines and columns from 1. */
export function shortLocation(script: Script, location: CodeLocation): string {
  const original = script.originalPosition(location.lineNumber, location.columnNumber);
  return `${shortPath(original.path)}:${original.line + 1}:${original.column + 1}`;
}

export function shortPath(filePath: string): string {
  if (filePath === "") return "<eval>";
  const relative = path.relative(process.cwd(), filePath);
  return path.isAbsolute(filePath) && !relative.startsWith(path.join("..", "..", "..")) ? relative : filePath;
}

/**
 * The error of a value that can't be sent. Where functions are on the way it names the captured variable, the way
 * to the value, and who captured it:
 *
 *     captured variable "db" (at db.pool.conn) can't be sent: it is a live Socket of node:net
 *         captured by query  report.ts:13:15, which is captured by (anonymous)  report.ts:22:22
 *         Open it inside the function, or create it in its own module and import that.
 */
export function captureFailure(at: CaptureStep, problem: Problem): CaptureError | UnserializableError {
  const steps = pathSteps(at);
  const last = steps.findLastIndex((step) => step.variable !== undefined);
  const functions = steps
    .filter((step, index) => step.capturedBy && (last < 0 || index < last))
    .map((step) => step.capturedBy!);
  if (functions.length === 0 && last < 0 && !steps.some((step) => step.capturedBy)) {
    const path = pathText(at);
    return new UnserializableError(`${path} can't be sent: ${problem.why}`, errorParts(problem, { path }));
  }
  const variable = steps[last]?.variable;
  const path =
    last >= 0
      ? steps
          .slice(last)
          .map((step) => step.text)
          .join("")
      : pathText(at);
  const subject = variable
    ? `captured variable "${variable}"${path === variable ? "" : ` (at ${path})`}`
    : ownSubject(steps, path);
  const captors = functions.length > 0 ? functions : steps.flatMap((step) => step.capturedBy ?? []).slice(-1);
  const [nearest, ...outer] = captors.toReversed();
  const chain = nearest
    ? `\n    captured by ${[nearest, ...outer.map((text) => `which is captured by ${text}`)].join(", ")}`
    : "";
  return new CaptureError(
    `${subject} can't be sent: ${problem.why}${chain}`,
    errorParts(problem, { variable, path }),
  );
}

/** The function itself is at fault, or something right on it. */
function ownSubject(steps: readonly CaptureStep[], path: string): string {
  return steps.length === 1 ? "the function" : `the function (at ${path})`;
}

function errorParts(problem: Problem, details: Record<string, unknown>) {
  return { ...(problem.remedy ? { remedy: problem.remedy } : {}), details };
}
