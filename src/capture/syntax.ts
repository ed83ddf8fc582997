import { createRequire } from "node:module";
import type * as acorn from "acorn";

/** Any node of a syntax tree, with the fields of all kinds: which there are depends on `type`. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  // biome-ignore lint/suspicious/noExplicitAny: ESTree's kinds are told apart by `type`, field by field
  readonly [field: string]: any;
}

// The parser is loaded with the first function: workers that capture nothing do without.
let parser: typeof acorn | undefined;

const OPTIONS = {
  ecmaVersion: "latest",
  allowAwaitOutsideFunction: true,
  allowReturnOutsideFunction: true,
  allowSuperOutsideMethod: true,
  checkPrivateFields: false,
  allowHashBang: true,
} as const;

/** Parses JavaScript; all that V8 runs is JavaScript, also what was TypeScript. @throws SyntaxError */
export function parseSource(text: string, sourceType: "module" | "script"): SyntaxNode {
  parser ??= createRequire(import.meta.url)("acorn") as typeof acorn;
  const lenient = sourceType === "script" ? { allowImportExportEverywhere: true } : {};
  return parser.parse(text, { ...OPTIONS, ...lenient, sourceType }) as unknown as SyntaxNode;
}

/** The nodes right below `node`, in the order of the source. */
export function* childNodes(node: SyntaxNode): Generator<SyntaxNode> {
  for (const field in node) {
    const value: unknown = node[field];
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) yield item;
    } else if (isNode(value)) yield value;
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
  );
}

export function isFunctionNode(node: SyntaxNode): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

export function isClassNode(node: SyntaxNode): boolean {
  return node.type === "ClassDeclaration" || node.type === "ClassExpression";
}

/** Name of a property, method or import that isn't computed. */
export function keyName(key: SyntaxNode): string {
  return String(key["name"] ?? key["value"]);
}

/** Adds the names that a pattern binds. */
export function boundNames(pattern: SyntaxNode | null | undefined, names: Set<string>): void {
  switch (pattern?.type) {
    case "Identifier":
      names.add(pattern["name"]);
      break;
    case "ObjectPattern":
      for (const item of pattern["properties"])
        boundNames(item.type === "RestElement" ? item.argument : item.value, names);
      break;
    case "ArrayPattern":
      for (const item of pattern["elements"]) boundNames(item, names);
      break;
    case "AssignmentPattern":
      boundNames(pattern["left"], names);
      break;
    case "RestElement":
      boundNames(pattern["argument"], names);
  }
}

/** Adds the names that `let`, `const`, `class`, `function` and `import` statements of one block declare. */
export function lexicalNames(statements: readonly SyntaxNode[], names: Set<string>): void {
  for (const given of statements) {
    const statement: SyntaxNode =
      given.type.startsWith("Export") && given["declaration"] ? given["declaration"] : given;
    if (statement.type === "VariableDeclaration" && statement["kind"] !== "var") {
      for (const declarator of statement["declarations"]) boundNames(declarator.id, names);
    } else if (
      (statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration") &&
      statement["id"]
    ) {
      names.add(statement["id"].name);
    } else if (statement.type === "ImportDeclaration") {
      for (const specifier of statement["specifiers"]) names.add(specifier.local.name);
    }
  }
}

/** Adds what is hoisted to the top of a function: `var`, and functions in blocks of sloppy code. */
export function hoistedNames(node: SyntaxNode, names: Set<string>): void {
  if (isFunctionNode(node) || isClassNode(node)) {
    if (node.type === "FunctionDeclaration" && node["id"]) names.add(node["id"].name);
    return;
  }
  if (node.type === "VariableDeclaration" && node["kind"] === "var") {
    for (const declarator of node["declarations"]) boundNames(declarator.id, names);
  }
  for (const child of childNodes(node)) hoistedNames(child, names);
}
