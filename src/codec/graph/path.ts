import { UnserializableError } from "../../errors.ts";
import type { Problem } from "./kinds.ts";

/** One step of the way to a value; its parents lead back to the root. */
export interface PathStep {
  readonly parent: PathStep | undefined;
  /** As it reads after its parent: `.conn`, `[3]`; for the root its name. */
  readonly text: string;
  /** Where this is an own property of an error: which. */
  readonly owner?: { readonly object: object; readonly key: PropertyKey };
}

/** The way to a property as it is written: `.name`, `[3]`, `["a b"]`, `[Symbol(x)]`. */
export function propertyText(key: PropertyKey): string {
  if (typeof key === "symbol") return `[${String(key)}]`;
  const name = String(key);
  if (/^(0|[1-9]\d*)$/.test(name)) return `[${name}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

export function pathText(step: PathStep | undefined): string {
  let text = "";
  for (let at = step; at; at = at.parent) text = at.text + text;
  return text;
}

/** The steps from the root to `step`. */
export function pathSteps<S extends PathStep>(step: S | undefined): S[] {
  const steps: S[] = [];
  for (let at = step; at; at = at.parent as S | undefined) steps.push(at);
  return steps.reverse();
}

/** The error for a value outside of any function. */
export function unserializable(step: PathStep, problem: Problem): UnserializableError {
  const path = pathText(step);
  return new UnserializableError(`${path} can't be sent: ${problem.why}`, {
    ...(problem.remedy ? { remedy: problem.remedy } : {}),
    details: { path },
  });
}
