import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import type { BuildOptions, ImportKind, Message, Metafile, Plugin } from "esbuild";
import { pathOf, urlOf, viteFile } from "../capture/urls.ts";
import type { ImportRecord } from "../codec/graph/nodes.ts";
import { UsageError } from "../errors.ts";
import { type ImportWay, importEntry } from "../job/code-package.ts";
import { loadEsbuild } from "./esbuild.ts";
import type { CapturedImports } from "./import-records.ts";
import { compiledText, type ModuleText, NEEDS_COMPILING } from "./module-source.ts";

/** A file that is imported. */
export interface GraphFile {
  readonly path: string;
  /** Written as an ES module. */
  readonly isEsm: boolean;
  readonly imports: Map<string, string>;
  /** Where it isn't JavaScript or JSON as it is. */
  readonly compiled?: ModuleText;
}

/** All that some imports lead to, as Node (with the driver's loaders) resolves it. Paths are real and absolute. */
export interface ModuleGraph {
  readonly files: ReadonlyMap<string, GraphFile>;
  /** Importing file → how and what it wrote → file. */
  readonly importers: ReadonlyMap<string, Map<string, string>>;
}

/** One import of one file. */
interface Wanted {
  readonly parent: string;
  readonly way: ImportWay;
  readonly specifier: string;
  readonly needed: boolean;
}

const IMPORTER = "kinglet-importer:";
/** Imports all importers. */
const ALL = "all";
/** Each round adds what the last one showed: what can't be found, or `createRequire` in the modules found. */
const ROUNDS = 8;

/**
 * Follows imports to every file they lead to. Builtins are left out, and so is what can't be found where it may not be
 * needed: an optional dependency, an import inside a function.
 * @throws UsageError BAD_ARGUMENT naming what a function needs and isn't there
 */
export async function moduleGraph({ needed, mayNeed }: CapturedImports): Promise<ModuleGraph> {
  const wanted = new WantedImports();
  for (const record of needed) wanted.add(record, true);
  for (const record of mayNeed) wanted.add(record, false);
  const search = new Search(wanted);
  for (let round = 0; round < ROUNDS; round++) {
    const metafile = await search.run();
    if (!metafile) continue;
    const graph = search.graphOf(metafile);
    if (!wanted.addCreatedRequires(graph)) return graph;
  }
  throw new UsageError(
    "BAD_ARGUMENT",
    "the code of this function can't be packaged: its imports don't come to an end",
  );
}

class WantedImports {
  readonly byParent = new Map<string, Map<string, Wanted>>();
  readonly #looked = new Set<string>();

  add(record: ImportRecord, needed: boolean): boolean {
    const { specifier, commonjs } = record;
    if (module.isBuiltin(specifier) || /^(data|https?):/.test(specifier)) return false;
    const parent = pathOf(record.parent);
    if (!path.isAbsolute(parent)) return false;
    const way = commonjs ? "require" : "import";
    const imports = this.byParent.get(parent) ?? new Map<string, Wanted>();
    this.byParent.set(parent, imports);
    const entry = importEntry(way, specifier);
    if (imports.get(entry)?.needed || (imports.has(entry) && !needed)) return false;
    imports.set(entry, { parent, way, specifier, needed });
    return true;
  }

  /** `const require = createRequire(import.meta.url)`, which no bundler follows. */
  addCreatedRequires(graph: ModuleGraph): boolean {
    let isMore = false;
    for (const { path: file, isEsm, compiled } of graph.files.values()) {
      if (!isEsm || this.#looked.has(file)) continue;
      this.#looked.add(file);
      const text = compiled?.source ?? fs.readFileSync(file, "utf8");
      if (!text.includes("createRequire")) continue;
      for (const [, name] of text.matchAll(/([\w$]+)\s*=\s*(?:[\w$]+\.)?createRequire\(/g)) {
        const call = new RegExp(
          String.raw`(?<![\w$.])${name!.replaceAll("$", "\\$")}\(\s*(["'])([^"'\n]+)\1`,
          "g",
        );
        for (const [, , specifier] of text.matchAll(call)) {
          const record = { parent: urlOf(file), specifier: specifier!, commonjs: true };
          isMore = this.add(record, false) || isMore;
        }
      }
    }
    return isMore;
  }
}

/** Runs esbuild, of which only the map of what imports what is used. */
class Search {
  readonly #wanted: WantedImports;
  /** What can't be found and may be missing. */
  readonly #missing = new Set<string>();
  /** Endings of files that are no code. */
  readonly #otherEndings = new Set([".node", ".wasm"]);
  readonly #compiled = new Map<string, ModuleText>();
  /** Files with imports whose names are made at run time, of a pattern that nothing matches. */
  readonly #computing = new Set<string>();

  constructor(wanted: WantedImports) {
    this.#wanted = wanted;
  }

  /** @returns undefined where it must be run again, now that more is known */
  async run(): Promise<Metafile | undefined> {
    try {
      return (await loadEsbuild().build(this.#options())).metafile;
    } catch (error) {
      const { errors } = error as { errors?: readonly Message[] };
      if (!errors) throw error;
      if (!errors.map((one) => this.#mayGoOn(one)).some(Boolean)) throw cannotRead(errors[0]!);
      return undefined;
    }
  }

  #options() {
    return {
      absWorkingDir: "/",
      entryPoints: [IMPORTER + ALL],
      bundle: true,
      write: false,
      metafile: true,
      outdir: "/kinglet",
      format: "esm",
      platform: "node",
      target: "esnext",
      // As Node has them, rather than bundlers.
      conditions: ["module-sync", ...ownConditions()],
      mainFields: ["main"],
      ignoreAnnotations: true,
      treeShaking: false,
      logLevel: "silent",
      external: [...this.#missing],
      loader: Object.fromEntries([...this.#otherEndings].map((ending) => [ending, "empty" as const])),
      plugins: [this.#plugin()],
    } satisfies BuildOptions;
  }

  #plugin(): Plugin {
    const parents = [...this.#wanted.byParent.keys()];
    return {
      name: "kinglet",
      setup: (build) => {
        build.onResolve({ filter: /^kinglet-importer:/ }, ({ path: name }) => ({
          path: name.slice(IMPORTER.length),
          namespace: "kinglet-importer",
        }));
        build.onLoad({ filter: /.*/, namespace: "kinglet-importer" }, ({ path: parent }) => ({
          contents: parent === ALL ? everyImporter(parents) : importsFrom(this.#wanted.byParent.get(parent)!),
          resolveDir: path.dirname(path.resolve("/", parent)),
          loader: "js",
        }));
        if (this.#computing.size > 0) {
          build.onLoad({ filter: anyOf(this.#computing), namespace: "file" }, async ({ path: file }) => {
            return { contents: withoutComputed(await this.#textOf(file)), loader: "js" };
          });
        }
        build.onLoad({ filter: NEEDS_COMPILING, namespace: "file" }, async ({ path: file }) => {
          return { contents: await this.#textOf(file), loader: "js" };
        });
      },
    };
  }

  async #textOf(file: string): Promise<string> {
    if (!NEEDS_COMPILING.test(file)) return fs.readFileSync(file, "utf8");
    const text = this.#compiled.get(file) ?? (await compiledText(file));
    this.#compiled.set(file, text);
    return text.source;
  }

  /** @returns whether another run can do without what is wrong */
  #mayGoOn({ text, location }: Message): boolean {
    const ending = /No loader is configured for "(\.[^"]+)" files/.exec(text)?.[1];
    if (ending) {
      this.#otherEndings.add(ending);
      return true;
    }
    if (/^Could not resolve (?:require|import)\(/.test(text) && location) {
      const file = `/${location.file}`;
      if (this.#computing.has(file)) return false;
      this.#computing.add(file);
      return true;
    }
    const specifier = /^Could not resolve "(.+?)"/.exec(text)?.[1];
    if (specifier === undefined || this.#missing.has(specifier)) return false;
    const parent = location?.file.startsWith(IMPORTER) ? location.file.slice(IMPORTER.length) : undefined;
    const imports = parent === undefined ? undefined : this.#wanted.byParent.get(parent);
    const isNeeded =
      imports && [...imports.values()].some((one) => one.specifier === specifier && one.needed);
    if (isNeeded) throw notFound(specifier, parent!);
    this.#missing.add(specifier);
    return true;
  }

  graphOf(metafile: Metafile): ModuleGraph {
    const files = new Map<string, GraphFile>();
    const importers = new Map<string, Map<string, string>>();
    for (const [name, { imports, format }] of Object.entries(metafile.inputs)) {
      const found = new Map<string, string>();
      for (const { path: target, kind, original, external } of imports) {
        const way = wayOf(kind);
        if (external || !way || target.startsWith(IMPORTER) || original === undefined) continue;
        found.set(importEntry(way, original), `/${target}`);
      }
      if (name.startsWith(IMPORTER)) {
        const parent = name.slice(IMPORTER.length);
        if (parent !== ALL) importers.set(parent, this.#asWritten(parent, found));
        continue;
      }
      const file = `/${name}`;
      const compiled = this.#compiled.get(file);
      const facts = { path: file, isEsm: format === "esm" && !file.endsWith(".json"), imports: found };
      files.set(file, compiled ? { ...facts, compiled } : facts);
    }
    return { files, importers };
  }

  /** esbuild was given paths in place of file URLs. */
  #asWritten(parent: string, found: Map<string, string>): Map<string, string> {
    const written = new Map<string, string>();
    for (const { way, specifier } of this.#wanted.byParent.get(parent)!.values()) {
      const target = found.get(importEntry(way, resolvable(specifier, parent)));
      if (target) written.set(importEntry(way, specifier), target);
    }
    return written;
  }
}

const anyOf = (files: ReadonlySet<string>): RegExp =>
  new RegExp(`^(?:${[...files].map((file) => file.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})$`);

/** For following the other imports: what `import(`./${name}.js`)` leads to is known at run time alone. */
const withoutComputed = (text: string): string =>
  text.replaceAll(/\b(?:import|require)(\s*\(\s*(?:`[^`]*\$\{|"[^"\n]*"\s*\+|'[^'\n]*'\s*\+))/g, "void$1");

const everyImporter = (parents: readonly string[]): string =>
  parents.map((parent) => `import ${JSON.stringify(IMPORTER + parent)};`).join("\n");

function importsFrom(imports: ReadonlyMap<string, Wanted>): string {
  const lines = [...imports.values()].map(({ parent, way, specifier, needed }) => {
    const text = JSON.stringify(resolvable(specifier, parent));
    if (way === "require") return `require(${text});`;
    return needed ? `import ${text};` : `import(${text});`;
  });
  // An ES module, also where it only requires.
  return `${lines.join("\n")}\nexport {};`;
}

/** As esbuild takes it: paths without queries, in place of URLs and of vite's paths from its root. */
function resolvable(specifier: string, parent: string): string {
  if (specifier.startsWith("file:")) return pathOf(specifier);
  return specifier.startsWith("/") ? viteFile(specifier, parent) : specifier.replace(/\?.*$/, "");
}

function wayOf(kind: ImportKind | string): ImportWay | undefined {
  if (kind === "import-statement" || kind === "dynamic-import") return "import";
  return kind === "require-call" || kind === "require-resolve" ? "require" : undefined;
}

/** `--conditions` that the driver runs with. */
function ownConditions(): string[] {
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return options.flatMap((option, index) => {
    const given = /^(?:--conditions|-C)(?:=(.+))?$/.exec(option);
    return given ? [given[1] ?? options[index + 1] ?? ""] : [];
  });
}

const notFound = (specifier: string, parent: string): UsageError =>
  new UsageError(
    "BAD_ARGUMENT",
    `the function imports ${JSON.stringify(specifier)}, which can't be found from ${parent}`,
    {
      remedy: /^\.{0,2}\//.test(specifier)
        ? "Is the file still there?"
        : `Install it: npm install ${specifier}`,
      details: { path: parent },
    },
  );

const cannotRead = ({ text, location }: Message): UsageError => {
  const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
  return new UsageError("BAD_ARGUMENT", `the code of this function can't be packaged: ${place}${text}`, {
    remedy: "Mend that file, or name its package in option packages so that it travels as it is.",
  });
};
