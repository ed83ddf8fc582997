import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import { loadedCommonjs } from "../capture/references.ts";
import { withoutWarnings } from "../capture/scripts.ts";
import type { PackedModule } from "../job/code-package.ts";
import { loadEsbuild } from "./esbuild.ts";

export type ModuleFormat = PackedModule["format"];

/** A file's text as JavaScript that runs as the file does here. */
export interface ModuleText {
  readonly source: string;
  readonly mapped: boolean;
}

const TYPESCRIPT = /\.[cm]?tsx?$/;
const JSX = /\.[jt]sx$/;
export const NEEDS_COMPILING = /\.(?:[cm]?tsx?|jsx)$/;

/** As an ES module, or as CommonJS where the file is written so. Types are stripped as Node does, so that lines and columns stay. */
export async function compiledText(file: string): Promise<ModuleText> {
  const text = fs.readFileSync(file, "utf8");
  if (TYPESCRIPT.test(file) && !JSX.test(file)) {
    try {
      return { source: withoutWarnings(() => module.stripTypeScriptTypes(text)), mapped: false };
    } catch {
      // Enums, decorators and the like: a loader such as tsx runs it here.
    }
  }
  return compile(file, undefined);
}

async function compile(file: string, format: "cjs" | undefined): Promise<ModuleText> {
  const { outputFiles } = await loadEsbuild().build({
    entryPoints: [file],
    outfile: file, // sources of the map are relative to it; nothing is written
    allowOverwrite: true,
    bundle: false,
    write: false,
    platform: "node",
    target: `node${process.versions.node}`,
    sourcemap: "inline",
    sourcesContent: false,
    keepNames: true,
    logLevel: "silent",
    ...(format ? { format } : {}),
  });
  return { source: outputFiles[0]!.text, mapped: true };
}

/**
 * What Node takes a file for: by its ending, by the `package.json` that it belongs to, else by its syntax.
 * @param isEsm whether it is written as an ES module
 */
export function formatOf(file: string, isEsm: boolean): ModuleFormat {
  if (file.endsWith(".json")) return "json";
  if (/\.m[jt]s$/.test(file)) return "module";
  if (/\.c[jt]s$/.test(file)) return "commonjs";
  const type = packageType(path.dirname(file));
  if (type) return type;
  // Loaders that compile to CommonJS do so where nothing speaks against it.
  return isEsm && !(TYPESCRIPT.test(file) && isPlainObject(loadedCommonjs(file))) ? "module" : "commonjs";
}

const isPlainObject = (exports: unknown): boolean =>
  exports !== undefined && Object.prototype.toString.call(exports) !== "[object Module]";

const types = new Map<string, "module" | "commonjs" | undefined>();

function packageType(folder: string): "module" | "commonjs" | undefined {
  if (types.has(folder)) return types.get(folder);
  let type: "module" | "commonjs" | undefined;
  const manifest = readManifest(folder);
  if (manifest)
    type = manifest["type"] === "module" || manifest["type"] === "commonjs" ? manifest["type"] : undefined;
  else if (path.dirname(folder) !== folder && path.basename(folder) !== "node_modules")
    type = packageType(path.dirname(folder));
  types.set(folder, type);
  return type;
}

export type Manifest = Readonly<Record<string, unknown>>;

export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}

/** The text that travels: as `formatOf` says, which may be another module system than the file is written in (tsx). */
export async function textOf(
  file: string,
  format: ModuleFormat,
  isEsm: boolean,
  compiled?: ModuleText,
): Promise<ModuleText> {
  if (format === "commonjs" && isEsm) return compile(file, "cjs");
  return compiled ?? { source: fs.readFileSync(file, "utf8"), mapped: false };
}
