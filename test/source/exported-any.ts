import path from "node:path";
import ts from "typescript";

/**
 * Every `any` in the types that `entries` export, or that those types mention, as declaration files show them:
 * types that the compiler inferred are written out there.
 *
 * @param entries paths of TypeScript files
 * @returns `file:line text` of each
 */
export function exportedAny(entries: readonly string[], root: string): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2024.d.ts", "lib.esnext.disposable.d.ts", "lib.esnext.collection.d.ts"],
    types: ["node"],
    strict: true,
    skipLibCheck: true,
    declaration: true,
    emitDeclarationOnly: true,
    allowImportingTsExtensions: true,
    rootDir: root,
    outDir: path.join(root, "never-written"),
  };
  const declarations = new Map<string, string>();
  ts.createProgram([...entries], options).emit(undefined, (file, text, _bom, _error, sources) => {
    const source = sources?.[0]?.fileName;
    if (source) declarations.set(path.resolve(source), text);
    else throw new Error(`${file} was emitted from nothing`);
  });

  const found: string[] = [];
  for (const file of reachable(entries, declarations)) {
    const text = declarations.get(file)!;
    const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) {
        const { line } = tree.getLineAndCharacterOfPosition(node.getStart());
        found.push(`${path.relative(root, file)}: ${text.split("\n")[line]!.trim()}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  return found;
}

/** The entries and the files whose declarations they mention, however far. */
function reachable(entries: readonly string[], declarations: ReadonlyMap<string, string>): Set<string> {
  const files = new Set(
    entries.map((entry) => path.resolve(entry)).filter((entry) => declarations.has(entry)),
  );
  for (const file of files) {
    for (const [, specifier] of declarations.get(file)!.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = path.resolve(path.dirname(file), specifier!);
      if (declarations.has(target)) files.add(target);
    }
  }
  return files;
}
