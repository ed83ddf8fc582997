import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { packGraph, unpackGraph } from "../codec/graph/envelope.ts";
import type { ImportRecord } from "../codec/graph/nodes.ts";
import { pathOf, urlOf } from "./urls.ts";

/**
 * What a function *is*, for going on with a named job: its code and captured values, and the contents of the user's own
 * files that it imports, with those that these import. Not where its code stands: a comment above it changes nothing.
 * Of packages only the names count.
 *
 * @returns SHA-256, hex
 */
export function identityOf(functionBytes: Uint8Array): string {
  const { table, bodies } = unpackGraph(functionBytes);
  const code = table.code && { ...table.code, mapping: [] };
  const hash = createHash("sha256").update(packGraph({ table: { ...table, code }, bodies }));
  for (const [file, text] of importedFiles(table.imports)) hash.update(`\n${file}\n${text.length}\n${text}`);
  return hash.digest("hex");
}

/** Path → text of the user's files that are imported, also by other such files, in order of their paths. */
function importedFiles(imports: readonly ImportRecord[]): [string, string][] {
  const texts = new Map<string, string>();
  const visit = (specifier: string, parent: string): void => {
    const file = userFile(specifier, parent);
    if (file === undefined || texts.has(file)) return;
    const text = fs.readFileSync(file, "utf8");
    texts.set(file, text);
    for (const [, inner] of text.matchAll(SPECIFIER)) visit(inner!, file);
  };
  for (const { specifier, parent } of imports) visit(specifier, parent);
  return [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * What stands after `from`, `import`, `require(` and `import(`. The files may be TypeScript, which no parser here reads; a text
 * that only looks like an import makes one file more count, at worst.
 */
const SPECIFIER = /\b(?:from|import|require)\s*\(?\s*["']([^"'\n]+)["']/g;

/** As compilers and loaders resolve what is written without its ending, or with that of the compiled file. */
const ENDINGS = ["", ".ts", ".tsx", ".mts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.js"];

/** The file outside `node_modules` that is meant, if it is one. */
function userFile(specifier: string, parent: string): string | undefined {
  const found = /^(?:\.{0,2}\/|file:)/.test(specifier)
    ? existing(pathOf(new URL(urlOf(specifier), urlOf(parent)).href))
    : resolved(specifier, parent);
  return found && !/[/\\]node_modules[/\\]/.test(found) ? found : undefined;
}

function existing(file: string): string | undefined {
  const asSource = file.replace(/\.([mc]?)js$/, ".$1ts");
  const candidates = [...ENDINGS.map((ending) => file + ending), asSource];
  return candidates.find((candidate) => fs.statSync(candidate, { throwIfNoEntry: false })?.isFile());
}

/** `#internal` and packages of the same workspace are the user's own files too. */
function resolved(specifier: string, parent: string): string | undefined {
  try {
    const file = createRequire(urlOf(parent)).resolve(specifier);
    return path.isAbsolute(file) ? file : undefined;
  } catch {
    return undefined; // not there, or not for `require`
  }
}
