import type { CodeUnit } from "./code-unit.ts";
import type { FoundNode } from "./modules.ts";
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
  /** The module's own scope, or the one that a loader's wrapper function makes of it. */
  readonly isModuleLevel: boolean;
}

/** The places of a function's scopes, in their order. */
export function scopePlaces({
  scopes,
  found,
  script,
}: Pick<CodeUnit, "scopes" | "found" | "script">): ScopePlace[] {
  const places = found ? declaringPlaces(found) : [];
  return scopes.map(({ kind, variables }, depth) => {
    if (kind === "Module" || kind === "Script") return { place: 0, isModuleLevel: true };
    const names = Object.keys(variables);
    const candidates = places.filter((place) => names.every((name) => place.names.has(name)));
    const isOutermost = depth === scopes.length - 1;
    const only = candidates.length === 1 ? candidates[0] : undefined;
    const isModuleLevel =
      isOutermost && !script.syntax.isModule && (found ? Boolean(only?.isModuleLevel) : kind === "Closure");
    return { place: only?.start ?? -1, isModuleLevel };
  });
}

interface DeclaringPlace {
  readonly start: number;
  readonly names: ReadonlySet<string>;
  readonly isModuleLevel: boolean;
}

/** The places around a function that can have a scope, with the names declared in each. */
function declaringPlaces({ parents, node }: FoundNode): DeclaringPlace[] {
  const places: DeclaringPlace[] = [];
  let depthOfFunctions = 0;
  for (const parent of [...parents, node]) {
    const names = declaredNames(parent);
    const isFunction = isFunctionNode(parent);
    // A module of CommonJS or vite stands in a function of its loader.
    const isModuleLevel =
      parent.type === "Program" || (isFunction && depthOfFunctions === 0 && isLoaderWrapper(parents, parent));
    if (isFunction) depthOfFunctions++;
    if (isModuleLevel) for (const name of LOADER_NAMES) names.add(name);
    if (names.size > 0 && parent !== node) places.push({ start: parent.start, names, isModuleLevel });
  }
  return places;
}

const LOADER_NAMES = ["require", "module", "exports", "__filename", "__dirname", "this"];

/** The only statement of the program, taking vite's or a bundler's arguments. */
function isLoaderWrapper(parents: readonly SyntaxNode[], node: SyntaxNode): boolean {
  const program = parents[0];
  if (program?.type !== "Program" || node["params"].length === 0) return false;
  const names = new Set<string>();
  for (const parameter of node["params"]) boundNames(parameter, names);
  return [...names].some((name) => name.startsWith("__vite_ssr_") || name === "require");
}

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
