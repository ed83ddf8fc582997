import * as types from "node:util/types";
import type { GraphNode, ImportRecord } from "../codec/graph/nodes.ts";
import { isPlainPrototype } from "../codec/graph/shapes.ts";
import { readInitialised, type Scope } from "./inspector.ts";
import type { KnownExports } from "./known-exports.ts";
import { type ImportedVariable, localExports } from "./modules.ts";
import {
  fileOfSpecifier,
  type ImportReference,
  isMainScript,
  isPackageFile,
  knownReference,
  loadedCommonjs,
  rememberReference,
  requireIfLoaded,
  walkPath,
} from "./references.ts";
import type { Script } from "./scripts.ts";
import { urlOf, viteFile } from "./urls.ts";

/** Members of an imported value that are looked at, so that a huge namespace costs no time. */
const INDEXED_MEMBERS = 3_000;
const INDEX_DEPTH = 2;

/** The imports of one graph: modules by number, and which values can be had from them. */
export class Imports {
  readonly records: ImportRecord[] = [];
  readonly #userFilesByValue: boolean;
  readonly #numbers = new Map<string, number>();
  /** Exports that the scripts in play import, by identity. */
  readonly #index = new Map<object | symbol, ImportReference>();
  readonly #indexed = new Set<Script>();
  readonly #ownExports = new Map<object, ImportReference | undefined>();

  readonly #exports: KnownExports;

  constructor(userFilesByValue: boolean, exports: KnownExports) {
    this.#userFilesByValue = userFilesByValue;
    this.#exports = exports;
  }

  /** Number of a module among the graph's imports. */
  numberOf(record: ImportRecord): number {
    const { parent, specifier, commonjs, interop, attributes } = record;
    const key = JSON.stringify([parent, specifier, commonjs, interop, attributes]);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.records.length;
      this.#numbers.set(key, number);
      this.records.push(record);
    }
    return number;
  }

  node(reference: ImportReference): GraphNode {
    return ["import", this.numberOf(reference.record), ...reference.path];
  }

  /**
   * The reference to send for a module-level variable that an import made; undefined if its value must be sent:
   * it comes from the main script, or of the user's files everything goes by value.
   */
  referenceOf(variable: ImportedVariable, script: Script): ImportReference | undefined {
    const specifier =
      variable.kind === "vite" ? viteFile(variable.specifier, script.filePath) : variable.specifier;
    const file = fileOfSpecifier(specifier, script.filePath);
    if (file && !isPackageFile(file) && (this.#userFilesByValue || isMainScript(file))) return undefined;
    const isJson = variable.kind !== "require" && /\.json$/.test(specifier);
    const attributes = variable.attributes ?? (isJson ? { type: "json" } : undefined);
    return {
      record: {
        parent: script.fileUrl,
        specifier: variable.kind === "vite" ? urlOf(specifier) : specifier,
        ...(variable.kind === "require" ? { commonjs: true } : {}),
        ...(variable.interop ? { interop: variable.interop } : {}),
        ...(attributes ? { attributes } : {}),
      },
      path: variable.path,
    };
  }

  /** In CommonJS a variable may have been assigned since; then it is no import any more. */
  isStillImported(variable: ImportedVariable, script: Script, value: unknown): boolean {
    if (variable.kind !== "require") return true;
    const loaded = requireIfLoaded(variable.specifier, script.filePath);
    if (!loaded) return false;
    return variable.interop !== undefined || walkPath(loaded.exports, variable.path) === value;
  }

  /** Notes what `script` imports, so that these values are recognised wherever they turn up. */
  indexScript(script: Script, scopes: readonly Scope[]): void {
    if (this.#indexed.has(script)) return;
    this.#indexed.add(script);
    for (const [name, variable] of script.syntax.imports) {
      const scope = scopes.find(({ variables }) => Object.hasOwn(variables, name));
      const reference = scope && this.referenceOf(variable, script);
      if (!scope || !reference) continue;
      const value = readInitialised(scope, name);
      this.#note(value, reference, INDEX_DEPTH, variable.kind !== "import" || Boolean(variable.interop));
    }
  }

  #note(value: unknown, reference: ImportReference, depth: number, readGetters: boolean): void {
    if (
      value === null ||
      (typeof value !== "object" && typeof value !== "function") ||
      this.#index.has(value)
    )
      return;
    const isNamespace = types.isModuleNamespaceObject(value);
    if (typeof value === "function" || isNamespace) {
      this.#index.set(value, reference);
      rememberReference(reference, value);
    } else if (types.isProxy(value)) return;
    const prototype = Object.getPrototypeOf(value) as object | null;
    const isOpen =
      typeof value === "function" || isNamespace || prototype === null || isPlainPrototype(prototype);
    if (depth === 0 || !isOpen) return;
    if (!isNamespace && reference.path.length === 0) rememberReference(reference, value);
    for (const key of Object.keys(value).slice(0, INDEXED_MEMBERS)) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key)!;
      if (!("value" in descriptor) && !readGetters) continue;
      const member: unknown =
        "value" in descriptor ? descriptor.value : (value as Record<string, unknown>)[key];
      this.#note(
        member,
        { record: reference.record, path: [...reference.path, key] },
        depth - 1,
        readGetters,
      );
    }
  }

  /** How a namespace, function or symbol can be imported, by what the scripts in play import or a restored graph did. */
  find(value: object | symbol): ImportReference | undefined {
    if (typeof value === "symbol") return this.#exports.findSymbol(value) ?? knownReference(value);
    return this.#index.get(value) ?? knownReference(value);
  }

  /** How a function can be imported from the very file that defines it. */
  findOwnExport(fn: object, script: Script, scopes: () => readonly Scope[]): ImportReference | undefined {
    if (!script.isFile || isMainScript(script.filePath)) return undefined;
    if (this.#userFilesByValue && !isPackageFile(script.filePath)) return undefined;
    if (!this.#ownExports.has(fn)) this.#ownExports.set(fn, ownExport(fn, script, scopes));
    return this.#ownExports.get(fn);
  }
}

function ownExport(fn: object, script: Script, scopes: () => readonly Scope[]): ImportReference | undefined {
  const file = script.filePath;
  const url = script.fileUrl;
  const exports = loadedCommonjs(file);
  if (exports !== undefined && exports !== null && !types.isModuleNamespaceObject(exports)) {
    const record: ImportRecord = { parent: url, specifier: file, commonjs: true };
    if (exports === fn) return { record, path: [] };
    if (typeof exports !== "object" && typeof exports !== "function") return undefined;
    for (const key of Object.keys(exports)) {
      // Compilers export by getters.
      if ((exports as Record<string, unknown>)[key] === fn) return { record, path: [key] };
    }
  }
  if (!script.syntax.isModule) return undefined;
  const record: ImportRecord = { parent: url, specifier: script.url };
  for (const [exported, local] of localExports(script.syntax.tree)) {
    if (local === "*default*") continue;
    const scope = scopes().find(
      ({ kind, variables }) => kind === "Module" && Object.hasOwn(variables, local),
    );
    try {
      if (scope?.variables[local] === fn) return { record, path: [exported] };
    } catch {
      // not initialised yet
    }
  }
  return undefined;
}
