import module from "node:module";
import { isNative } from "../codec/graph/builtins.ts";
import type { GraphNode, Ref } from "../codec/graph/nodes.ts";
import { isObject, isPlainPrototype } from "../codec/graph/shapes.ts";
import { type Binding, type CodeUnit, freeVariables, hasVariable, type Variable } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { ImportedVariable } from "./modules.ts";
import { scopePlaces } from "./places.ts";
import { planRecipe } from "./recipes.ts";
import { fileOfSpecifier, rememberReference } from "./references.ts";
import type { Script } from "./scripts.ts";
import { type CaptureStep, variableStep } from "./steps.ts";
import { findThis } from "./this-value.ts";

/** Finds each free variable in the function's scopes, and what stands for its value. */
export function bindVariables(capture: CaptureContext, unit: CodeUnit, step: CaptureStep): void {
  const places = scopePlaces(unit);
  for (const [name] of freeVariables(unit)) {
    const depth = unit.scopes.findIndex((scope) => hasVariable(scope, name));
    if (depth < 0) {
      warnOfGlobal(capture, unit, name);
      continue;
    }
    const { isModuleLevel, place } = places[depth]!;
    let value: unknown;
    try {
      value = unit.scopes[depth]!.variables[name];
    } catch {
      capture.fail(variableStep(step, name), {
        why: "it is not initialised yet: its declaration has not run",
        remedy: "Declare it before the call.",
      });
    }
    const at = variableStep(step, name, isModuleLevel ? { script: unit.script, name, value } : undefined);
    const binding = bindVariable(
      capture,
      { unit, name, value, depth, step: at },
      isModuleLevel ? place : undefined,
    );
    if (name === "arguments") unit.parts.argumentsSlot = capture.slot((binding as { ref: Ref }).ref);
    else unit.bindings.set(name, binding);
  }
}

/** A global that the program made itself, or replaced, is not there in the worker. */
function warnOfGlobal(capture: CaptureContext, unit: CodeUnit, name: string): void {
  const value: unknown = Object.getOwnPropertyDescriptor(globalThis, name)?.value;
  if (typeof value !== "function" || isNative(value) || capture.isNodeFunction(value)) return;
  capture.warnings.push(
    `"${name}" is a global of this process, which ${unit.label} will not find in the worker`,
  );
}

/** How the variable `name` with that value is provided; `modulePlace` is that of the module-level scope it is in. */
export function bindVariable(
  capture: CaptureContext,
  given: Variable,
  modulePlace: number | undefined,
): Binding {
  const { unit, name, value, depth, step } = given;
  const { script } = unit;
  const isModuleLevel = modulePlace !== undefined;
  const variable = isModuleLevel ? script.syntax.imports.get(name) : undefined;
  const isThatOne =
    variable && (variable.place === modulePlace || (modulePlace === -1 && variable.kind === "require"));
  const imported = isThatOne && importedBinding(capture, variable, given);
  if (imported) return imported;
  if (isModuleLevel && capture.choices.recipes.has(`${script.id}#${name}`)) {
    const ref = planRecipe(capture, given, (variable, place) => bindVariable(capture, variable, place));
    capture.writer.alias(value, ref);
    return { kind: "variable", depth, ref };
  }
  const special = isModuleLevel ? moduleSpecial(name, value, script) : undefined;
  return {
    kind: "variable",
    depth,
    ref: special ? capture.writer.add(special) : capture.writer.ref(value, step),
  };
}

function importedBinding(
  capture: CaptureContext,
  variable: ImportedVariable,
  { unit: { script }, value, depth, step }: Variable,
): Binding | undefined {
  if (!capture.imports.isStillImported(variable, script, value)) return undefined;
  if (variable.phase)
    capture.fail(step, { why: `it is an import ${variable.phase}, which is not supported` });
  if (isObject(value) && capture.choices.byValue.has(value)) return undefined;
  const reference = capture.imports.referenceOf(variable, script);
  if (!reference) {
    capture.copies.push({
      file: fileOfSpecifier(variable.specifier, script.filePath),
      path: variable.path,
      step,
    });
    return undefined;
  }
  rememberReference(reference, value);
  // Values of the same identity met elsewhere are the same import.
  const isLive = variable.kind === "import" && script.syntax.isModule;
  if (isLive && !isObject(value) && typeof value !== "symbol") return { kind: "import", reference };
  const id = capture.writer.add(capture.imports.node(reference));
  capture.writer.alias(value, id);
  return isLive ? { kind: "import", reference } : { kind: "variable", depth, ref: id };
}

export function bindThis(capture: CaptureContext, unit: CodeUnit, step: CaptureStep): void {
  const { parsed, found, script } = unit;
  if (!parsed.facts.usesThis || parsed.node.type !== "ArrowFunctionExpression") return;
  const isTopLevel =
    found && !found.parents.some((node) => /^(Function(Declaration|Expression)|Class)/.test(node.type));
  if (isTopLevel && (script.syntax.isModule || script.syntax.isVite)) return; // `this` is undefined there
  const self = findThis(unit, capture.inspector);
  if (!self) {
    capture.fail(step, {
      why: "it is an arrow function using `this`, and V8 does not tell what its `this` is",
      remedy: "Write `const self = this` and use self.",
    });
  }
  unit.parts.thisSlot = capture.slot(capture.writer.ref(self.value, variableStep(step, "this")));
}

export function bindSuper(
  capture: CaptureContext,
  unit: CodeUnit,
  step: CaptureStep,
  home: object | undefined,
): void {
  const { facts, kind } = unit.parsed;
  if (!facts.usesSuper || kind === "expression") return;
  if (!home) {
    capture.fail(step, {
      why: "it is a method using super, and the object that super refers to is not known",
      remedy: "Capture the whole object or class.",
    });
  }
  const prototype = Object.getPrototypeOf(home) as object | null;
  if (prototype && isPlainPrototype(prototype)) return;
  const ref: Ref = prototype
    ? capture.writer.ref(prototype, { parent: step, text: ".[[HomeObject]]" })
    : [null];
  unit.parts.homeSlot = capture.slot(ref);
}

/** What module systems put at module level: `require`, `module`, vite's import(). */
function moduleSpecial(name: string, value: unknown, script: Script): GraphNode | undefined {
  if (name === "require" && typeof value === "function") return ["require", script.fileUrl];
  if (name === "__vite_ssr_dynamic_import__") return ["dynamicImport", script.fileUrl];
  if (name === "__vite_ssr_import_meta__" || (name === "module" && value instanceof module))
    return ["moduleMeta", script.fileUrl];
  return undefined;
}
