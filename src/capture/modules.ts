import { childNodes, isClassNode, isFunctionNode, keyName, parseSource, type SyntaxNode } from "./syntax.ts";

/** An import statement, whose variables are live; `await import()`; a `require` call; vite's call. */
export type ImportKind = "import" | "awaited" | "require" | "vite";

/** What a module-level variable stands for if an import or require statement made it. */
export interface ImportedVariable {
  readonly specifier: string;
  /** From the module's namespace (or `module.exports`) to the value. */
  readonly path: readonly string[];
  readonly kind: ImportKind;
  /** Compilers' helper around a `require`, e.g. `__toESM`. */
  readonly interop?: string;
  readonly attributes?: Record<string, string>;
  /** `source` or `defer` imports. */
  readonly phase?: string;
  /** Offset of what declares it: the program, a function around a whole module, or a block in one of these. */
  readonly place: number;
}

type Found = Omit<ImportedVariable, "place">;

/** A script that V8 runs, parsed. */
export interface ModuleSyntax {
  readonly tree: SyntaxNode;
  readonly isModule: boolean;
  readonly isStrict: boolean;
  /** Transformed by vite (vitest): its imports are calls. */
  readonly isVite: boolean;
  readonly imports: ReadonlyMap<string, ImportedVariable>;
  /** Offset at which each line begins. */
  readonly lines: readonly number[];
}

export function parseModule(source: string, path: string): ModuleSyntax {
  const lines = lineStarts(source);
  try {
    const { tree, parsedAs } = parseEither(source);
    const statements: SyntaxNode[] = tree["body"];
    const isModule =
      parsedAs === "module" &&
      (statements.some((node) => /^(Import|Export)/.test(node.type)) || /\.m[jt]s$/.test(path));
    const imports = new Map<string, ImportedVariable>();
    collectImports(statements, imports, tree.start);
    return {
      tree,
      isModule,
      isVite: source.includes("__vite_ssr_"),
      isStrict:
        isModule || statements[0]?.["directive"] === "use strict" || source.startsWith("'use strict';"),
      imports,
      lines,
    };
  } catch {
    const tree: SyntaxNode = { type: "Program", start: 0, end: 0, body: [] };
    return { tree, isModule: false, isVite: false, isStrict: false, imports: new Map(), lines };
  }
}

function parseEither(source: string): { tree: SyntaxNode; parsedAs: "module" | "script" } {
  try {
    return { tree: parseSource(source, "module"), parsedAs: "module" };
  } catch {
    return { tree: parseSource(source, "script"), parsedAs: "script" };
  }
}

export function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Line and column, from 0, of an offset. */
export function positionOf(lines: readonly number[], offset: number): { line: number; column: number } {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lines[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low, column: offset - lines[low]! };
}

export interface FoundNode {
  readonly node: SyntaxNode;
  /** From the program down to the node's parent. */
  readonly parents: readonly SyntaxNode[];
}

/** The innermost function, class or method whose source is `text` and which contains `offset`. */
export function findFunction(
  tree: SyntaxNode,
  source: string,
  text: string,
  offset: number,
): FoundNode | undefined {
  let found: FoundNode | undefined;
  const walk = (node: SyntaxNode, parents: readonly SyntaxNode[]): void => {
    if (node.start > offset || node.end < offset) return;
    if (
      isFunctionNode(node) ||
      isClassNode(node) ||
      node.type === "Property" ||
      node.type === "MethodDefinition"
    ) {
      const own = source.slice(node.start, node.end);
      if (own === text || (node["static"] && own.endsWith(text))) found = { node, parents };
    }
    const path = [...parents, node];
    for (const child of childNodes(node)) walk(child, path);
  };
  walk(tree, []);
  return found;
}

/** A function that wraps a whole module and runs once: vitest's, tsx's, a bundler's. */
export function wrapperFunction(statement: SyntaxNode): SyntaxNode | undefined {
  if (statement.type !== "ExpressionStatement") return undefined;
  const expression: SyntaxNode = statement["expression"];
  const isCall = expression.type === "CallExpression" && expression["arguments"].length === 0;
  const inner: SyntaxNode = isCall ? expression["callee"] : expression;
  if (inner.type !== "ArrowFunctionExpression" && inner.type !== "FunctionExpression") return undefined;
  return inner["body"].type === "BlockStatement" ? inner : undefined;
}

/** The initialiser of a module-level variable. */
export function initialiserOf(tree: SyntaxNode, name: string): SyntaxNode | undefined {
  let found: SyntaxNode | undefined;
  const look = (statements: readonly SyntaxNode[]): void => {
    for (const given of statements) {
      const statement: SyntaxNode =
        given.type === "ExportNamedDeclaration" && given["declaration"] ? given["declaration"] : given;
      if (statement.type === "VariableDeclaration") {
        for (const declarator of statement["declarations"]) {
          if (declarator.id.type === "Identifier" && declarator.id.name === name && declarator.init)
            found = declarator.init;
        }
      } else if (statement.type === "BlockStatement") look(statement["body"]);
      else look(wrapperFunction(statement)?.["body"].body ?? []);
    }
  };
  look(tree["body"]);
  return found;
}

/** Exported name → local variable, of an ES module; `default` → `*default*` where it is an expression. */
export function localExports(tree: SyntaxNode): Map<string, string> {
  const exports = new Map<string, string>();
  for (const statement of tree["body"] as SyntaxNode[]) {
    if (statement.type === "ExportDefaultDeclaration") {
      const declaration: SyntaxNode = statement["declaration"];
      exports.set(
        "default",
        declaration["id"]?.name ?? (declaration.type === "Identifier" ? declaration["name"] : "*default*"),
      );
    } else if (statement.type === "ExportNamedDeclaration" && !statement["source"]) {
      for (const specifier of statement["specifiers"])
        exports.set(keyName(specifier.exported), keyName(specifier.local));
      const declaration: SyntaxNode | null = statement["declaration"];
      if (declaration?.["id"]) exports.set(declaration["id"].name, declaration["id"].name);
      for (const declarator of declaration?.["declarations"] ?? []) {
        if (declarator.id.type === "Identifier") exports.set(declarator.id.name, declarator.id.name);
      }
    }
  }
  return exports;
}

function collectImports(
  statements: readonly SyntaxNode[],
  imports: Map<string, ImportedVariable>,
  place: number,
): void {
  const add = (name: string, found: Found) => imports.set(name, { ...found, place });
  for (const statement of statements) {
    if (statement.type === "ImportDeclaration") collectImport(statement, add);
    else if (statement.type === "VariableDeclaration") {
      for (const declarator of statement["declarations"]) collectRequire(declarator, add);
    } else if (statement.type === "BlockStatement")
      collectImports(statement["body"], imports, statement.start);
    else {
      const wrapper = wrapperFunction(statement);
      if (wrapper) collectImports(wrapper["body"].body, imports, wrapper.start);
    }
  }
}

function collectImport(statement: SyntaxNode, add: (name: string, found: Found) => void): void {
  const attributes: Record<string, string> = {};
  for (const attribute of statement["attributes"] ?? [])
    attributes[keyName(attribute.key)] = attribute.value.value;
  for (const specifier of statement["specifiers"]) {
    const path =
      specifier.type === "ImportSpecifier"
        ? [keyName(specifier.imported)]
        : specifier.type === "ImportDefaultSpecifier"
          ? ["default"]
          : [];
    add(specifier.local.name, {
      specifier: statement["source"].value,
      path,
      kind: "import",
      ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
      ...(statement["phase"] ? { phase: statement["phase"] } : {}),
    });
  }
}

function collectRequire(declarator: SyntaxNode, add: (name: string, found: Found) => void): void {
  const made = importingExpression(declarator["init"], []);
  if (!made) return;
  const target: SyntaxNode = declarator["id"];
  if (target.type === "Identifier") add(target["name"], made);
  else if (target.type === "ObjectPattern" && !made.interop) {
    for (const item of target["properties"]) {
      if (item.type !== "Property" || item.computed || item.value.type !== "Identifier") continue;
      add(item.value.name, { ...made, path: [...made.path, keyName(item.key)] });
    }
  }
}

const INTEROP_HELPERS =
  /^(__toESM|__importDefault|__importStar|_interopRequireDefault|_interopRequireWildcard|_interop_require_default|_interop_require_wildcard|_export_star)$/;

/** `require("x")`, `await import("x")` and vite's calls, behind member accesses and compilers' helpers. */
function importingExpression(given: SyntaxNode | null, path: readonly string[]): Found | undefined {
  const node: SyntaxNode | null = given?.type === "ChainExpression" ? given["expression"] : given;
  if (!node) return undefined;
  if (node.type === "MemberExpression") {
    const key = node["computed"] ? literalText(node["property"]) : (node["property"].name as string);
    return key === undefined ? undefined : importingExpression(node["object"], [key, ...path]);
  }
  if (node.type === "AwaitExpression") return awaitedImport(node["argument"], path);
  if (node.type !== "CallExpression") return undefined;
  const callee: SyntaxNode = node["callee"];
  if (callee.type === "Identifier" && callee["name"] === "require") {
    const specifier = literalText(node["arguments"][0]);
    return specifier === undefined ? undefined : { specifier, path, kind: "require" };
  }
  const helper =
    callee.type === "SequenceExpression"
      ? callee["expressions"].at(-1).property?.name
      : (callee["name"] ?? callee["property"]?.name);
  if (path.length > 0 || !INTEROP_HELPERS.test(String(helper))) return undefined;
  const inner = importingExpression(node["arguments"][0], []);
  return inner && { ...inner, interop: String(helper) };
}

function awaitedImport(node: SyntaxNode, path: readonly string[]): Found | undefined {
  if (node.type === "ImportExpression") {
    const specifier = literalText(node["source"]);
    return specifier === undefined ? undefined : { specifier, path, kind: "awaited" };
  }
  if (node.type !== "CallExpression" || node["callee"].name !== "__vite_ssr_import__") return undefined;
  const specifier = literalText(node["arguments"][0]);
  if (specifier === undefined) return undefined;
  return { specifier: specifier.replace(/^\/@fs(?=\/)/, ""), path, kind: "vite" };
}

function literalText(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === "Literal") return typeof node["value"] === "string" ? node["value"] : undefined;
  return node?.type === "TemplateLiteral" && node["quasis"].length === 1
    ? node["quasis"][0].value.cooked
    : undefined;
}
