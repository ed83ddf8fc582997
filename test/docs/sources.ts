import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "./pages.ts";

/** What the sources declare, read from their syntax: the documentation must have all of it. */
function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
}

function declared<N extends ts.Node>(file: string, is: (node: ts.Node) => node is N, name: string): N {
  const found = parse(file).statements.find(
    (node) => is(node) && (node as { name?: ts.Identifier }).name?.text === name,
  );
  if (!found) throw new Error(`${file} doesn't declare ${name}`);
  return found as unknown as N;
}

/** Names of the members of an interface; symbols are left out. */
export function membersOf(file: string, name: string): string[] {
  const members = declared(file, ts.isInterfaceDeclaration, name).members.flatMap((member) =>
    member.name && ts.isIdentifier(member.name) ? [member.name.text] : [],
  );
  return [...new Set(members)];
}

/** Names of the public members of a class: what starts with `#`, and its symbols, are left out. */
export function publicMembersOf(file: string, name: string): string[] {
  const members = declared(file, ts.isClassDeclaration, name).members.flatMap((member) =>
    member.name && ts.isIdentifier(member.name) ? [member.name.text] : [],
  );
  return [...new Set(members)];
}

/** The strings of a union type. */
export function stringsOf(file: string, name: string): string[] {
  const { type } = declared(file, ts.isTypeAliasDeclaration, name);
  if (!ts.isUnionTypeNode(type)) throw new Error(`${name} is no union`);
  return type.types.flatMap((one) =>
    ts.isLiteralTypeNode(one) && ts.isStringLiteral(one.literal) ? [one.literal.text] : [],
  );
}

/** Names that a module exports by `export { … } from`. */
export function exportsOf(file: string): string[] {
  return parse(file).statements.flatMap((node) =>
    ts.isExportDeclaration(node) && node.exportClause && ts.isNamedExports(node.exportClause)
      ? node.exportClause.elements.map((element) => element.name.text)
      : [],
  );
}

/** Each environment variable of Kinglet's that a source file names. */
export function environmentVariables(): string[] {
  const files = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" });
  const texts = files
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(path.join(root, "src", name), "utf8"));
  return [...new Set(texts.flatMap((text) => text.match(/\bKINGLET_[A-Z_]*[A-Z]\b/g) ?? []))].sort();
}
