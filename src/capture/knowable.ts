import { type ParsedFunction, parseFunction } from "./analyze.ts";
import { assignedVariables, hasVariable } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { Scope } from "./inspector.ts";
import { localExports } from "./modules.ts";
import type { CaptureStep } from "./steps.ts";

/** Parses a function's text. @throws CaptureError if it can't be */
export function parseText(capture: CaptureContext, text: string, step: CaptureStep): ParsedFunction {
  try {
    return parseFunction(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    capture.fail(step, {
      why: `its source could not be parsed (${error.message}): ${text.slice(0, 80)}`,
    });
  }
}

/** Refuses functions that need what V8 doesn't tell. @throws CaptureError */
export function refuseUnknowable(
  capture: CaptureContext,
  { facts, kind, node }: ParsedFunction,
  step: CaptureStep,
): void {
  if (facts.usesEval) {
    capture.fail(step, {
      why: "it uses eval, which can name any variable, so what it needs is not known",
      remedy: "Use new Function(…), or pass the values.",
    });
  }
  const [privateName] = facts.privateNames;
  if (privateName) {
    capture.fail(step, {
      why: `it uses ${privateName}, and the private name ${privateName} belongs to a class around it`,
      remedy: "Make it a method of the class and capture the instance.",
    });
  }
  if (facts.usesNewTarget)
    capture.fail(step, { why: "it is an arrow function using new.target, which is not known" });
  if (facts.usesSuper && kind === "expression" && !node.type.startsWith("Class")) {
    capture.fail(step, {
      why: "it is an arrow function using super, and the object that super refers to is not known",
      remedy: "Make it a method.",
    });
  }
}

/** A declared function is known by a variable of its scope; an expression has its name to itself. */
export function isDeclaration(
  parsed: ParsedFunction,
  foundType: string | undefined,
  fn: object,
  scopes: readonly Scope[],
): boolean {
  const { node, kind } = parsed;
  if (kind !== "expression" || node.type !== "FunctionExpression" || parsed.facts.selfUses.length === 0)
    return false;
  if (foundType !== undefined) return foundType === "FunctionDeclaration";
  const name: string = node["id"].name;
  return scopes.some((scope) => hasVariable(scope, name) && scope.variables[name] !== fn);
}

/** Refuses import bindings sent as variables that a function of their file assigns: they would come apart. */
export function refuseChangingCopies(capture: CaptureContext): void {
  for (const { file, path, step } of capture.copies) {
    for (const unit of capture.units) {
      if (unit.script.filePath !== file) continue;
      const local = localExports(unit.script.syntax.tree).get(path[0] ?? "");
      if (local === undefined || !assignedVariables(unit).has(local)) continue;
      capture.fail(step, {
        why: `it is an import that ${unit.label} assigns, and its file does not travel`,
        remedy: "Let the file export a function that returns it, or hold it as a property of an object.",
      });
    }
  }
}
