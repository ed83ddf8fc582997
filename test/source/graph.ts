import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

/** One import, re-export or `new URL("./x.ts", import.meta.url)` of a module of this repository. */
export interface Edge {
  /** Path under the source folder, `/`-separated. */
  readonly from: string;
  readonly to: string;
  /** Types only: gone once the types are stripped. */
  readonly typeOnly: boolean;
}

export interface SourceGraph {
  /** Paths under the source folder → text. */
  readonly files: ReadonlyMap<string, string>;
  readonly edges: readonly Edge[];
  /** Relative imports whose file isn't there. */
  readonly missing: readonly { readonly from: string; readonly specifier: string }[];
}

/** The TypeScript files under `folder`, by their path in it. */
export function readSources(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const file = path.join(entry.parentPath, entry.name);
    files.set(path.relative(folder, file).replaceAll(path.sep, "/"), readFileSync(file, "utf8"));
  }
  return files;
}

export function sourceGraph(files: ReadonlyMap<string, string>): SourceGraph {
  const edges: Edge[] = [];
  const missing: { from: string; specifier: string }[] = [];
  for (const [from, text] of files) {
    for (const { specifier, typeOnly } of relativeImports(from, text)) {
      const to = path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier));
      if (files.has(to)) edges.push({ from, to, typeOnly });
      else if (to.endsWith(".ts") && !to.startsWith("..")) missing.push({ from, specifier });
    }
  }
  return { files, edges, missing };
}

interface RelativeImport {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function relativeImports(file: string, text: string): RelativeImport[] {
  const found: RelativeImport[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean) => {
    if (node && ts.isStringLiteralLike(node) && /^\.\.?\//.test(node.text)) {
      found.push({ specifier: node.text, typeOnly });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importsOnlyTypes(node));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, exportsOnlyTypes(node));
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && isImportOrResolve(node.expression)) add(node.arguments[0], false);
    else if (ts.isNewExpression(node) && node.expression.getText() === "URL") add(node.arguments?.[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return found;
}

const isImportOrResolve = (callee: ts.Expression): boolean =>
  callee.kind === ts.SyntaxKind.ImportKeyword || callee.getText() === "import.meta.resolve";

function importsOnlyTypes({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = importClause;
  if (name || !namedBindings || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((e) => e.isTypeOnly);
}

function exportsOnlyTypes({ isTypeOnly, exportClause }: ts.ExportDeclaration): boolean {
  if (isTypeOnly) return true;
  if (!exportClause || !ts.isNamedExports(exportClause)) return false;
  return exportClause.elements.length > 0 && exportClause.elements.every((e) => e.isTypeOnly);
}
