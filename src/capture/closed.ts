import type { GraphNode, Ref } from "../codec/graph/nodes.ts";
import { assignedVariables, isClassUnit } from "./code-unit.ts";
import type { CaptureContext } from "./context.ts";
import { boundNames, isFunctionNode, lexicalNames, type SyntaxNode } from "./syntax.ts";

/**
 * True if nothing that the functions captured can change while they run: then one linked function serves all
 * tasks. Assigned variables, ordinary objects, classes, and functions that are more than called can change.
 */
export function isClosed(capture: CaptureContext, root: Ref, plainShared: boolean): boolean {
  const { nodes } = capture.writer;
  if (!nodes.every((node) => (node[0] === "plain" ? plainShared : isUnchanging(node)))) return false;
  if (typeof root !== "number" || nodes[root]![0] === "object") return false;
  return capture.units.every((unit) => {
    const { facts } = unit.parsed;
    if (isClassUnit(unit) || facts.selfEscapes || /\bcallee\b/.test(unit.text)) return false;
    if (unit.parts.argumentsSlot !== undefined || unit.parts.thisSlot !== undefined) return false;
    if ([...assignedVariables(unit)].some((name) => unit.bindings.has(name))) return false;
    return [...unit.bindings].every(([name, binding]) => {
      const isFunction =
        binding.kind === "variable" &&
        typeof binding.ref === "number" &&
        nodes[binding.ref]![0] === "function";
      return !isFunction || !facts.escaping.has(name);
    });
  });
}

function isUnchanging(node: GraphNode): boolean {
  switch (node[0]) {
    case "object":
      return node[4] === 3 && (node[1] === null || node[1][0] === "array") && node[5] === undefined;
    case "function":
      return node[2].every(([key]) => key === "name") && node[3] === null;
    case "values":
    case "proxy":
    case "bound":
    case "prototypeOf":
    case "reduced":
    case "registered":
    case "class":
    case "attached":
    case "again":
      return false;
    default:
      return true;
  }
}

/**
 * True if capturing the function again later would give the same: all its variables are imports or constants, and
 * none holds data that this process could change meanwhile.
 */
export function isConstant(capture: CaptureContext): boolean {
  if (capture.writer.nodes.some((node) => node[0] === "plain")) return false;
  return capture.units.every((unit) =>
    [...unit.bindings].every(([name, binding]) => {
      if (binding.kind === "import") return true;
      return unit.found !== undefined && isDeclaredConstant(unit.found.parents, name);
    }),
  );
}

/** The nearest declaration of `name` around a function is a `const`. */
function isDeclaredConstant(parents: readonly SyntaxNode[], name: string): boolean {
  for (const parent of parents.toReversed()) {
    const body: unknown = parent["body"]?.body ?? parent["body"];
    const statements = (Array.isArray(body) ? body : []) as SyntaxNode[];
    const constants = statements.flatMap((given) => {
      const statement: SyntaxNode =
        given.type === "ExportNamedDeclaration" && given["declaration"] ? given["declaration"] : given;
      return statement.type === "VariableDeclaration" && statement["kind"] === "const" ? [statement] : [];
    });
    const names = new Set<string>();
    lexicalNames(constants, names);
    if (names.has(name)) return true;
    if (declares(parent, statements, name)) return false;
  }
  return false;
}

function declares(node: SyntaxNode, statements: readonly SyntaxNode[], name: string): boolean {
  const names = new Set<string>();
  lexicalNames(statements, names);
  if (isFunctionNode(node)) for (const parameter of node["params"]) boundNames(parameter, names);
  return names.has(name);
}
