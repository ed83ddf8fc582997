import type { CodeUnit } from "./code-unit.ts";
import { type FoundNode, wrapperFunction } from "./modules.ts";
import {
  boundNames,
  hoistedNames,
  isClassNode,
  isFunctionNode,
  lexicalNames,
  type SyntaxNode,
} from "./syntax.ts";

/** Where in the source a scope of a function is. */
export interface ScopePlace {
  /** Offset of the function, block… that makes it; -1 if several could. */
  readonly place: number;
  /** Imports are declared in it: the module's own scope, or that of a function which wraps the whole module. */
  readonly isModuleLevel: boolean;
  /** The program itself, of which there is one. */
  readonly isRoot: boolean;
  /** Its code runs once, so that there is one of it. */
  readonly isSingle: boolean;
}

/** The places of a function's scopes, in their order. */
export function scopePlaces({
  scopes,
  found,
  script,
}: Pick<CodeUnit, "scopes" | "found" | "script">): ScopePlace[] {
  const program = script.syntax.tree.start;
  const places = found ? declaringPlaces(found) : [];
  return scopes.map(({ kind, variables }, depth) => {
    if (kind === "Module" || kind === "Script") {
      return { place: program, isModuleLevel: true, isRoot: true, isSingle: true };
    }
    const names = Object.keys(variables);
    const candidates = places.filter((place) => names.every((name) => place.names.has(name)));
    const only = candidates.length === 1 ? candidates[0] : undefined;
    // Where the source could not be read, the outermost scope is taken for a CommonJS module's.
    const isGuessed = !found && !script.syntax.isModule && depth === scopes.length - 1;
    const isModuleLevel = isGuessed || (only?.isModuleLevel ?? false);
    const isRoot = isModuleLevel && (isGuessed || only?.place === program);
    return { place: only?.place ?? -1, isModuleLevel, isRoot, isSingle: isModuleLevel };
  });
}

interface DeclaringPlace {
  readonly place: number;
  readonly names: ReadonlySet<string>;
  readonly isModuleLevel: boolean;
}

/** The places around a function that can have a scope, with the names declared in each. */
function declaringPlaces({ parents }: FoundNode): DeclaringPlace[] {
  const program = parents[0];
  const wrapper = parents[1] && wrapperFunction(parents[1]);
  const places: DeclaringPlace[] = [];
  let isModuleLevel = true;
  for (const parent of parents) {
    const names = declaredNames(parent);
    if (parent === program) for (const name of LOADER_NAMES) names.add(name);
    if (!runsOnce(parent) && parent !== wrapper) isModuleLevel = false;
    if (names.size > 0) places.push({ place: parent.start, names, isModuleLevel });
  }
  return places;
}

/** What is directly in a program or wrapper: statements, blocks, calls; but no function, loop or class. */
function runsOnce({ type }: SyntaxNode): boolean {
  return /^(Program|BlockStatement|ExpressionStatement|CallExpression|VariableDeclarat\w+|Export\w+)$/.test(
    type,
  );
}

/** Parameters of the function that Node wraps a CommonJS module in. */
const LOADER_NAMES = ["require", "module", "exports", "__filename", "__dirname", "this"];

function declaredNames(node: SyntaxNode): Set<string> {
  const names = new Set<string>();
  if (node.type === "Program") {
    lexicalNames(node["body"], names);
    for (const statement of node["body"]) hoistedNames(statement, names);
  } else if (isFunctionNode(node)) {
    if (node["id"]) names.add(node["id"].name);
    for (const parameter of node["params"]) boundNames(parameter, names);
    hoistedNames(node["body"], names);
    if (node["body"].type === "BlockStatement") lexicalNames(node["body"].body, names);
    names.add("arguments");
  } else if (isClassNode(node)) {
    if (node["id"]) names.add(node["id"].name);
  } else if (node.type === "BlockStatement" || node.type === "StaticBlock") lexicalNames(node["body"], names);
  else if (node.type === "CatchClause") boundNames(node["param"], names);
  else if (node.type === "SwitchStatement")
    for (const clause of node["cases"]) lexicalNames(clause.consequent, names);
  else if (node.type.startsWith("For")) {
    const head: SyntaxNode | null = node["init"] ?? node["left"] ?? null;
    if (head?.type === "VariableDeclaration") lexicalNames([head], names);
  }
  return names;
}
