import module from "node:module";
import path from "node:path";
import { classNames } from "../codec/graph/identity.ts";
import type { ImportRecord } from "../codec/graph/nodes.ts";
import { placeHere } from "./elsewhere.ts";
import { pathOf, urlOf } from "./urls.ts";

/** A value that can be had by importing: the module, and the way from its namespace. */
export interface ImportReference {
  readonly record: ImportRecord;
  readonly path: readonly string[];
}

/** Unique symbols that modules export. */
const symbolReferences = new WeakMap<symbol, ImportReference>();

/** What is known in this process of values that were, or can be, imported. */
const referenceByValue = new WeakMap<object | symbol, ImportReference>();
const valueByKey = new Map<string, WeakRef<object | symbol>>();

let mainPath: string | undefined;

/**
 * Names the script that the process runs: its functions travel by value, for importing it in a worker would run
 * it all again. By default `process.argv[1]`.
 */
export function setMainScript(place: string | URL): void {
  mainPath = withoutExtension(path.resolve(pathOf(String(place))));
}

/** True of the file that the process was started with. */
export function isMainScript(filePath: string): boolean {
  mainPath ??= process.argv[1] ? withoutExtension(path.resolve(process.argv[1])) : "";
  const bare = withoutExtension(filePath);
  return bare === mainPath || bare === path.join(mainPath, "index") || filePath === mainPath;
}

function withoutExtension(filePath: string): string {
  return filePath.replace(/\.[^./\\]+$/, "");
}

export function isPackageFile(filePath: string): boolean {
  return /[/\\]node_modules[/\\]/.test(filePath);
}

/** One text for all references that lead to the same export. */
export function referenceKey({ record, path: steps }: ImportReference): string {
  const { specifier, parent } = record;
  const target = isRelative(specifier) ? new URL(specifier, parent).href : urlOf(specifier);
  return `import:${target.replace(/^node:/, "")}#${steps.join(".")}`;
}

export function isRelative(specifier: string): boolean {
  return /^\.{1,2}(\/|$)/.test(specifier);
}

/** File of a specifier that is a path or file URL. */
export function fileOfSpecifier(specifier: string, parentPath: string): string | undefined {
  if (isRelative(specifier)) return path.resolve(path.dirname(parentPath), specifier);
  if (specifier.startsWith("file:")) return pathOf(specifier);
  return path.isAbsolute(specifier) ? specifier : undefined;
}

/** `value` is what the reference leads to, in this process. */
export function rememberReference(reference: ImportReference, value: unknown): void {
  if (canBeWeak(value)) valueByKey.set(referenceKey(reference), new WeakRef(value));
}

/** As `rememberReference`, for what a restored graph imported: code of such a graph has no import statements. */
export function rememberRestored(reference: ImportReference, value: unknown): void {
  if (!canBeWeak(value)) return;
  if (!referenceByValue.has(value)) referenceByValue.set(value, reference);
  valueByKey.set(referenceKey(reference), new WeakRef(value));
}

/** The reference that `value` was restored by, if any. */
export function knownReference(value: object | symbol): ImportReference | undefined {
  return referenceByValue.get(value);
}

/**
 * What the reference leads to, where this process has it already: the value itself, or a member of a namespace that
 * it has. Found so, a class is the very one that the program uses, also under loaders that keep modules to themselves.
 */
export function liveReference(reference: ImportReference): unknown {
  const key = referenceKey(reference);
  const live = valueByKey.get(key)?.deref() ?? classNames.valueOf(key);
  if (live !== undefined) return live;
  for (let length = reference.path.length - 1; length >= 0; length--) {
    const owner = valueByKey
      .get(referenceKey({ ...reference, path: reference.path.slice(0, length) }))
      ?.deref();
    if (owner !== undefined) return walkPath(owner, reference.path.slice(length));
  }
  return undefined;
}

export function walkPath(value: unknown, steps: readonly string[]): unknown {
  let at = value;
  for (const step of steps) {
    if (at === undefined || at === null) return undefined;
    at = (at as Record<string, unknown>)[step];
  }
  return at;
}

/**
 * The export that a unique symbol is, so that a module's own code and the data made with it agree. KnownExports carry no
 * trace of their module: those that the scripts in play import are searched.
 */
export function symbolReference(symbol: symbol): ImportReference | undefined {
  return symbolReferences.get(symbol);
}

export function rememberSymbol(symbol: symbol, reference: ImportReference): void {
  if (Symbol.keyFor(symbol) === undefined && !symbolReferences.has(symbol))
    symbolReferences.set(symbol, reference);
}

function canBeWeak(value: unknown): value is object | symbol {
  if (typeof value === "symbol") return Symbol.keyFor(value) === undefined && value.description !== undefined;
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** `module.exports` of a CommonJS file that is loaded. */
export function loadedCommonjs(filePath: string): unknown {
  const cache = (
    module as unknown as { _cache?: Record<string, { exports: unknown; loaded: boolean } | undefined> }
  )._cache;
  return cache?.[placeHere(filePath)]?.exports;
}

/** True if `specifier`, required from `parentPath`, is loaded already: looking runs no file. */
export function requireIfLoaded(
  specifier: string,
  parentPath: string,
): { readonly exports: unknown } | undefined {
  try {
    const require = module.createRequire(placeHere(parentPath));
    const file = require.resolve(specifier);
    if (module.isBuiltin(file)) return { exports: require(specifier) as unknown };
    return require.cache[file] ? { exports: require.cache[file].exports as unknown } : undefined;
  } catch {
    return undefined;
  }
}
