import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import { areFilesElsewhere, placeThere } from "./elsewhere.ts";
import type { CodeLocation, Inspector } from "./inspector.ts";
import { type FoundNode, findFunction, type ModuleSyntax, parseModule, positionOf } from "./modules.ts";
import { type PositionMap, positionMapOf, type SourcePosition } from "./positions.ts";
import { positionOfRestored } from "./stack.ts";
import { isClassNode, isFunctionNode } from "./syntax.ts";
import { pathOf, urlOf } from "./urls.ts";

/** A script that V8 has loaded, with its text and syntax, read when first needed. */
export class Script {
  readonly id: string;
  /** As V8 has it, but on the driver: a `file:` URL, a path (CommonJS), `node:…`, `kinglet:…` or empty. */
  readonly url: string;
  readonly #inspector: Inspector;
  #source: string | undefined;
  /** The text comes from the file, which may not be what runs (tsx, vitest transform it). */
  #fromDisk = false;
  #syntax: ModuleSyntax | undefined;
  #map: PositionMap | undefined | null = null;
  #found = new Map<string, FoundNode | undefined>();

  constructor(id: string, url: string, inspector: Inspector) {
    this.id = id;
    this.url = url;
    this.#inspector = inspector;
  }

  /** Of Node's own. */
  get isNode(): boolean {
    return this.url.startsWith("node:");
  }

  /** Code that Kinglet restored in this process. */
  get isRestored(): boolean {
    return this.url.startsWith("kinglet:");
  }

  get filePath(): string {
    return pathOf(this.url);
  }

  get isFile(): boolean {
    return path.isAbsolute(this.filePath);
  }

  /** `file:` URL of files, the URL as it is of all else. */
  get fileUrl(): string {
    return urlOf(this.url);
  }

  /** Name of the package that it belongs to. */
  get packageName(): string | undefined {
    return /.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(this.url)?.[1];
  }

  get source(): string {
    this.#source ??= this.#inspector.script(this.id).source;
    return this.#source;
  }

  get syntax(): ModuleSyntax {
    this.#syntax ??= parseModule(this.source, this.filePath);
    return this.#syntax;
  }

  /** Reads the text so that `text` is in it at `location`: from the file where that is what runs, else from V8. */
  ensureContains(text: string, location: CodeLocation): void {
    if (this.#source === undefined && this.isFile && !runsTransformed()) {
      this.#source = sourceFromDisk(this.filePath);
      this.#fromDisk = this.#source !== undefined;
    }
    if (!this.#fromDisk || this.offsetOf(text, location) !== undefined) return;
    this.#fromDisk = false;
    this.#source = this.#inspector.script(this.id).source;
    this.#syntax = undefined;
    this.#found.clear();
  }

  /** Where `text`, which V8 locates somewhere inside, begins; undefined if it isn't there. */
  offsetOf(text: string, location: CodeLocation): number | undefined {
    const at = this.#offset(location);
    const start = this.source.lastIndexOf(text, at);
    return start >= 0 && start + text.length >= at ? start : undefined;
  }

  /** The syntax node of a function whose source is `text`. */
  find(text: string, location: CodeLocation): FoundNode | undefined {
    const key = `${location.lineNumber}:${location.columnNumber}:${text.length}`;
    if (!this.#found.has(key)) {
      this.#found.set(key, findFunction(this.syntax.tree, this.source, text, this.#offset(location)));
    }
    return this.#found.get(key);
  }

  /** True if code at that node is strict, by the script or by what is around it. */
  isStrictAt(found: FoundNode | undefined): boolean {
    if (this.syntax.isStrict) return true;
    return [...(found?.parents ?? []), ...(found ? [found.node] : [])].some((parent) => {
      if (isClassNode(parent)) return true;
      return isFunctionNode(parent) && parent["body"].body?.[0]?.directive === "use strict";
    });
  }

  #offset({ lineNumber, columnNumber }: CodeLocation): number {
    const lines = this.#syntax?.lines;
    if (lines) return (lines[lineNumber] ?? 0) + columnNumber;
    let start = 0;
    for (let line = 0; line < lineNumber; line++) start = this.source.indexOf("\n", start) + 1;
    return start + columnNumber;
  }

  /** The user's own position of one in this script: another where what runs was transformed. */
  originalPosition(line: number, column: number): SourcePosition {
    return (
      this.map?.originalOf(line, column) ??
      positionOfRestored(this.url, line, column) ?? { path: this.filePath, line, column }
    );
  }

  positionAt(offset: number): { line: number; column: number } {
    return positionOf(this.syntax.lines, offset);
  }

  /** Undefined where positions are the user's own already: JavaScript, and TypeScript whose types are stripped. */
  get map(): PositionMap | undefined {
    if (this.#map === null) {
      const { url, filePath, source, syntax } = this;
      this.#map = positionMapOf({ url, filePath, source, isVite: syntax.isVite });
    }
    return this.#map;
  }
}

/**
 * Files are not what runs if a loader transforms them (tsx, vitest). Where none is in sight, reading the file saves
 * a list of all scripts from V8.
 */
function runsTransformed(): boolean {
  if (areFilesElsewhere() || process.env["VITEST"] !== undefined || "__vitest_worker__" in globalThis)
    return true;
  const options = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  return /(^|\s)(--(import|require|loader|experimental-loader)\b|-r\b)/.test(options);
}

function sourceFromDisk(filePath: string): string | undefined {
  try {
    const source = fs.readFileSync(filePath, "utf8");
    return /\.[cm]?ts$/.test(filePath) ? withoutWarnings(() => module.stripTypeScriptTypes(source)) : source;
  } catch {
    return undefined;
  }
}

/** What Kinglet uses of Node may be experimental; the user didn't ask for it, and isn't warned. */
export function withoutWarnings<T>(work: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The scripts that have been looked at, by V8's id. */
export class Scripts {
  readonly #inspector: Inspector;
  readonly #scripts = new Map<string, Script>();

  constructor(inspector: Inspector) {
    this.#inspector = inspector;
  }

  get(scriptId: string): Script {
    let script = this.#scripts.get(scriptId);
    if (!script) {
      const url = this.#inspector.knownScriptUrl(scriptId) ?? this.#inspector.script(scriptId).url;
      script = new Script(scriptId, placeThere(url), this.#inspector);
      this.#scripts.set(scriptId, script);
    }
    return script;
  }
}
