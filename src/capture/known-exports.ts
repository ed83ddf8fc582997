import { type Inspector, readInitialised, type Scope } from "./inspector.ts";
import { type ImportedVariable, localExports } from "./modules.ts";
import { type ImportReference, loadedCommonjs, rememberSymbol, symbolReference } from "./references.ts";
import type { Script, Scripts } from "./scripts.ts";

/**
 * Finds the module that exports a value which is met in data alone, where no import statement leads to it. A unique
 * symbol: functions that the user's script imports from the module show its variables. A class under vitest, which
 * keeps modules to itself: the user's script imports it.
 */
export class KnownExports {
  readonly #inspector: Inspector;
  readonly #scripts: Scripts;
  readonly #noted = new Set<Script>();
  /** Functions that scripts in play import, to be looked into when a symbol is searched. */
  readonly #doors = new Set<object>();
  readonly #searched = new Set<Script>();
  readonly #viteMembers = new WeakMap<object, ImportReference>();

  constructor(inspector: Inspector, scripts: Scripts) {
    this.#inspector = inspector;
    this.#scripts = scripts;
  }

  /** Notes what `script` imports, once for all captures. */
  noteImports(
    script: Script,
    scopes: readonly Scope[],
    referenceOf: (variable: ImportedVariable) => ImportReference | undefined,
  ): void {
    if (this.#noted.has(script)) return;
    this.#noted.add(script);
    for (const [name, variable] of script.syntax.imports) {
      const scope = scopes.find(({ variables }) => Object.hasOwn(variables, name));
      const reference = scope && referenceOf(variable);
      if (!scope || !reference) continue;
      this.#note(readInitialised(scope, name), reference, variable.kind === "vite");
    }
  }

  /** The import of a unique symbol. */
  findSymbol(symbol: symbol): ImportReference | undefined {
    if (!symbolReference(symbol)) for (const door of this.#doors) this.#lookInto(door);
    return symbolReference(symbol);
  }

  /** The import of a function whose module is vite's. */
  findViteMember(fn: object): ImportReference | undefined {
    return this.#viteMembers.get(fn);
  }

  #note(value: unknown, reference: ImportReference, isVite: boolean): void {
    if (typeof value === "symbol") rememberSymbol(value, reference);
    else if (typeof value === "function") {
      this.#doors.add(value);
      if (isVite && !this.#viteMembers.has(value)) this.#viteMembers.set(value, reference);
    } else if (typeof value === "object" && value !== null && reference.path.length === 0) {
      for (const key of Object.keys(value)) {
        const member = (value as Record<string, unknown>)[key];
        if (typeof member !== "object") this.#note(member, { record: reference.record, path: [key] }, isVite);
      }
    }
  }

  #lookInto(door: object): void {
    const details = this.#inspector.function(door);
    const script = details.location && this.#scripts.get(details.location.scriptId);
    if (!script?.isFile || script.packageName || this.#searched.has(script)) return;
    this.#searched.add(script);
    const commonjs = loadedCommonjs(script.filePath);
    if (typeof commonjs === "object" && commonjs !== null) {
      const record = { parent: script.fileUrl, specifier: script.filePath, commonjs: true };
      this.#note(commonjs, { record, path: [] }, false);
      return;
    }
    if (!script.syntax.isModule) return;
    const scope = details.scopes().find(({ kind }) => kind === "Module");
    for (const [exported, local] of localExports(script.syntax.tree)) {
      const value = scope && readInitialised(scope, local);
      const record = { parent: script.fileUrl, specifier: script.url };
      if (typeof value === "symbol") rememberSymbol(value, { record, path: [exported] });
    }
  }
}
