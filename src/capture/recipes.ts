import type { PathStep } from "../codec/graph/path.ts";
import { pathSteps } from "../codec/graph/path.ts";
import { parseFunction } from "./analyze.ts";
import { packageOf } from "./blame.ts";
import { type Binding, type CodeUnit, hasVariable, MODULE_DEPTH, type Variable } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import type { Scope } from "./inspector.ts";
import { initialiserOf } from "./modules.ts";
import { scopePlaces } from "./places.ts";
import type { Script } from "./scripts.ts";
import { type CaptureStep, variableStep } from "./steps.ts";

/** Provides a variable at module level: see bindings.ts. */
type BindVariable = (variable: Variable, modulePlace: number) => Binding;

/**
 * Recipes: a module-level value that a package made and that can't be sent (`const schema = z.object(…)`) is made
 * again in the worker, by running its initialiser there.
 */

/** Key of the variable on the way to `step` that could be made again; the innermost one. */
export function recipeFor(step: PathStep, capture: CaptureContext): string | undefined {
  const candidate = pathSteps(step as CaptureStep).findLast(
    ({ cell }) => cell && !cell.script.packageName && packageOf(capture, cell.value) !== undefined,
  );
  const cell = candidate?.cell;
  if (!cell || !initialiserOf(cell.script.syntax.tree, cell.name)) return undefined;
  return `${cell.script.id}#${cell.name}`;
}

/** Plans to run the initialiser of `name`, whose value `user` needs: the number of the node that does it. */
export function planRecipe(
  capture: CaptureContext,
  { unit: user, name, step }: Pick<Variable, "unit" | "name" | "step">,
  bind: BindVariable,
): number {
  const { script } = user;
  const known = capture.writer.nodes.findIndex(
    (node) => node[0] === "again" && capture.units[node[1]]?.label === recipeLabel(name, script),
  );
  if (known >= 0) return known;
  const initialiser = initialiserOf(script.syntax.tree, name)!;
  const source = script.source.slice(initialiser.start, initialiser.end);
  const unit = recipeUnit(capture, user, name, source, initialiser.start);
  capture.units.push(unit);
  const id = capture.writer.add(["again", unit.id]);
  capture.warnings.push(`"${name}" is made again in the worker: ${source.slice(0, 60)}`);
  for (const needed of unit.parsed.facts.free.keys()) bindNeed(capture, unit, needed, step, bind);
  return id;
}

function recipeUnit(
  capture: CaptureContext,
  user: CodeUnit,
  name: string,
  source: string,
  start: number,
): CodeUnit {
  const text = `()=>(${source})`;
  const { line, column } = user.script.positionAt(start);
  return {
    id: capture.units.length,
    fn: undefined,
    text,
    parsed: parseFunction(text),
    script: user.script,
    location: { scriptId: user.script.id, lineNumber: line, columnNumber: column },
    found: user.found,
    start: start - text.indexOf("(", 1),
    label: recipeLabel(name, user.script),
    scopes: moduleLevelScopes(user),
    bindings: new Map(),
    isStrict: user.isStrict,
    isDeclaration: false,
    parts: { computedKeys: [], staticPrivates: new Map() },
  };
}

function moduleLevelScopes(user: CodeUnit): readonly Scope[] {
  const places = scopePlaces(user);
  return user.scopes.filter((_scope, depth) => places[depth]!.isModuleLevel);
}

function recipeLabel(name: string, script: Script): string {
  return `${name}  ${script.url}`;
}

/** A variable that the initialiser needs: one that V8 kept, or else one to be made again as well. */
function bindNeed(
  capture: CaptureContext,
  unit: CodeUnit,
  name: string,
  step: CaptureStep,
  bind: BindVariable,
): void {
  const { imports, tree } = unit.script.syntax;
  const depth = unit.scopes.findIndex((scope) => hasVariable(scope, name));
  const imported = imports.get(name);
  if (depth < 0 && !imported && !initialiserOf(tree, name)) return; // a global
  const value = depth < 0 ? undefined : unit.scopes[depth]!.variables[name];
  const at = variableStep(step, name, { script: unit.script, name, value });
  if (depth >= 0 || imported) {
    const place = depth >= 0 ? scopePlaces(unit)[depth]!.place : imported!.place;
    unit.bindings.set(
      name,
      bind({ unit, name, value, depth: depth < 0 ? MODULE_DEPTH : depth, step: at }, place),
    );
  } else {
    const ref = planRecipe(capture, { unit, name, step }, bind);
    unit.bindings.set(name, { kind: "variable", depth: MODULE_DEPTH, ref });
  }
}
