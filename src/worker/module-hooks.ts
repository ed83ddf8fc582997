import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ImportTable, importEntry, type PackedModule } from "../job/code-package.ts";

/**
 * The modules of one or several code packages with the same root, as they lie in one folder of the worker. Most of them
 * are in memory only; Node loads them under the paths that they would have there, as it does on the driver.
 */
export interface ModuleFolder {
  /** Ends in a slash. */
  readonly url: string;
  /** Path of the same folder on the driver, ending in a slash. */
  readonly driverRoot: string;
  readonly modules: Map<string, PackedModule>;
  /** What scripts import that aren't modules themselves. */
  readonly importers: Map<string, ImportTable>;
}

const folders: ModuleFolder[] = [];
let installed = false;

/** From now on Node finds the folder's modules. */
export function addModuleFolder(folder: ModuleFolder): void {
  folders.push(folder);
  if (installed) return;
  installed = true;
  module.registerHooks({ resolve, load });
}

export function removeModuleFolder(folder: ModuleFolder): void {
  folders.splice(folders.indexOf(folder), 1);
}

interface Place {
  readonly folder: ModuleFolder;
  readonly name: string;
}

function placeOf(url: string | undefined): Place | undefined {
  const bare = url?.replace(/[?#].*$/, "");
  const folder = bare === undefined ? undefined : folders.find((one) => bare.startsWith(one.url));
  return folder && { folder, name: decodeURIComponent(bare!.slice(folder.url.length)) };
}

const resolve: module.ResolveHookSync = (written, context, next) => {
  const parent = placeOf(context.parentURL);
  if (!parent || module.isBuiltin(written) || written.startsWith("data:")) return next(written, context);
  const specifier = inFolder(written, parent.folder);
  const way = context.conditions.includes("require") ? "require" : "import";
  const target = targetOf(parent, importEntry(way, written), specifier);
  if (target !== undefined) return resolved(parent.folder, target, specifier, context);
  try {
    const found = next(specifier, context);
    // What happens to be installed on the worker's machine is nobody's.
    if (placeOf(found.url) || module.isBuiltin(found.url)) return found;
  } catch (error) {
    if (!/MODULE_NOT_FOUND$/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw missing(specifier, parent, error as Error);
  }
  const error = Object.assign(new Error(), {
    code: way === "require" ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND",
  });
  throw missing(specifier, parent, error);
};

/** Values name modules as the driver does: by its paths. */
function inFolder(specifier: string, { url, driverRoot }: ModuleFolder): string {
  if (specifier.startsWith(url) || !(specifier.startsWith("file:") || path.isAbsolute(specifier)))
    return specifier;
  const file = specifier.startsWith("file:") ? fileURLToPath(specifier) : specifier;
  return file.startsWith(driverRoot) ? url + encodeName(file.slice(driverRoot.length)) : specifier;
}

function targetOf({ folder, name }: Place, entry: string, specifier: string): string | undefined {
  const known = folder.importers.get(name)?.[entry] ?? folder.modules.get(name)?.imports[entry];
  if (known !== undefined) return known;
  // Written out at run time, but to the letter.
  const isPath = /^(?:\.{0,2}\/|file:)/.test(specifier);
  const place = isPath ? placeOf(new URL(specifier, folder.url + encodeName(name)).href) : undefined;
  return place?.folder === folder && folder.modules.has(place.name) ? place.name : undefined;
}

const encodeName = (name: string): string => pathToFileURL(`/${name}`).href.slice("file:///".length);

function resolved(
  { url, modules }: ModuleFolder,
  target: string,
  specifier: string,
  { importAttributes }: module.ResolveHookContext,
): module.ResolveFnOutput {
  const query = /^(?:\.{0,2}\/|file:)/.test(specifier) ? (/\?.*$/.exec(specifier)?.[0] ?? "") : "";
  const found = modules.get(target);
  const format = found ? { format: found.format } : {};
  return { url: url + encodeName(target) + query, ...format, importAttributes, shortCircuit: true };
}

/** Node 22 requires what a CommonJS module requires without asking for it, unless it has read the module itself. */
const READS_COMMONJS = Number(process.versions.node.split(".")[0]) < 24;

const load: module.LoadHookSync = (url, context, next) => {
  const place = placeOf(url);
  const found = place?.folder.modules.get(place.name);
  if (!found) return next(url, context);
  const { format, source } = found;
  if (READS_COMMONJS && format === "commonjs") return next(url, { ...context, format });
  return { format, source, shortCircuit: true };
};

/** Whether these modules must be files: for Node 22, or since their code asks where they are. */
export const mustBeFiles = (modules: readonly PackedModule[]): boolean =>
  READS_COMMONJS || modules.some(({ source }) => source.includes("require.resolve("));

/** Writes the CommonJS modules and JSON among them. */
export function writeModules(folderUrl: string, modules: readonly PackedModule[]): void {
  const root = fileURLToPath(folderUrl);
  const made = new Set<string>();
  for (const { name, format, source } of modules) {
    if (format === "module") continue;
    const file = path.join(root, name);
    const folder = path.dirname(file);
    if (!made.has(folder)) fs.mkdirSync(folder, { recursive: true });
    made.add(folder);
    if (!fs.existsSync(file)) fs.writeFileSync(file, source);
  }
}

/** The error that Node has, or would have, saying what to do. Programs that look at `code` see what they expect. */
function missing(specifier: string, { folder, name }: Place, error: Error): Error {
  const isPath = /^(?:\.{0,2}\/|file:)/.test(specifier);
  const packageName = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
  const remedy = isPath
    ? `name its file in option files: { files: [${JSON.stringify(folder.driverRoot + path.posix.join(path.posix.dirname(name), specifier))}] }`
    : `name its package in option packages: { packages: [${JSON.stringify(packageName)}] }`;
  error.message =
    `${JSON.stringify(specifier)}, imported by ${name}, didn't travel to this worker: only imports whose names are ` +
    `written out do\n    If the name is made at run time, ${remedy}`;
  return error;
}
