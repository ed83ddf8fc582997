import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { pathOf } from "../capture/urls.ts";
import type { WorkerTarget } from "../compute/contract.ts";
import { UsageError } from "../errors.ts";
import type { CodePackage, ImportTable, PackedArchive, PackedModule } from "../job/code-package.ts";
import { type Archive, type ArchiveEntry, describeArchive } from "./archive.ts";
import type { CapturedImports } from "./import-records.ts";
import { everyFile, packageFolder } from "./installed-packages.ts";
import { type GraphFile, type ModuleGraph, moduleGraph } from "./module-graph.ts";
import { formatOf, readManifest, textOf } from "./module-source.ts";
import { type WholeFolder, type WholePackages, wholePackages } from "./whole-packages.ts";

export interface CodeRequest {
  readonly imports: CapturedImports;
  /** Options `packages` and `files`. */
  readonly packages: readonly string[];
  readonly files: readonly string[];
  /** What these are relative to. */
  readonly cwd: string;
  readonly target: WorkerTarget;
}

/** A code package, and what must be in the store before it is used. */
export interface BuiltPackage {
  readonly code: CodePackage;
  /** URL of the folder that its names are relative to. */
  readonly rootUrl: string;
  readonly archives: readonly Archive[];
}

/**
 * Puts together all that a function imports, from the files of this machine. The same code gives the same package
 * wherever it lies.
 * @throws UsageError naming what is missing, or can't be had for the target
 */
export async function buildPackage(request: CodeRequest): Promise<BuiltPackage> {
  const { imports, cwd, target } = request;
  const graph = await moduleGraph(imports);
  const whole = await wholePackages(graph, request.packages, cwd, target);
  const sent = await sentFiles(request);
  const single = singleFiles(graph, whole);
  const root = commonFolder([
    ...imports.origins.map((origin) => path.dirname(pathOf(origin))),
    ...single.map((file) => path.dirname(file.path)),
    ...whole.folders.map(({ folder }) => folder),
    ...[...whole.links.keys()].map((link) => path.dirname(link)),
    ...sent.folders,
    ...(imports.origins.length === 0 || request.files.length + request.packages.length > 0 ? [cwd] : []),
  ]);
  const nameOf = (file: string): string => path.relative(root, file).replaceAll(path.sep, "/");
  const modules = await Promise.all(single.map((file) => packedModule(file, nameOf)));
  const folders = await Promise.all([...whole.folders, ...sent.wholeFolders(root)]);
  return {
    code: {
      format: 1,
      workingFolder: isInside(root, cwd) ? nameOf(cwd) : "",
      modules: modules.sort((a, b) => (a.name < b.name ? -1 : 1)),
      importers: importersOf(graph, whole, nameOf),
      archives: folders.map((folder) => packedArchive(folder, nameOf)).sort((a, b) => (a.at < b.at ? -1 : 1)),
      links: sortedRecord([...whole.links].map(([link, folder]) => [nameOf(link), nameOf(folder)])),
    },
    rootUrl: `${pathToFileURL(root).href.replace(/\/$/, "")}/`,
    archives: folders.map(({ archive }) => archive),
  };
}

/** Files that travel by themselves: not those of whole packages, nor of packages that only these import. */
function singleFiles({ files, importers }: ModuleGraph, whole: WholePackages): GraphFile[] {
  const reached = new Set<string>();
  const packages = new Set<string | undefined>([undefined]);
  const waiting: string[] = [];
  for (const [parent, imports] of importers) if (!whole.has(parent)) waiting.push(...imports.values());
  for (const file of files.values()) if (packageFolder(file.path) === undefined) waiting.push(file.path);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (reached.has(file) || whole.has(file)) continue;
    reached.add(file);
    packages.add(packageFolder(file));
    waiting.push(...(files.get(file)?.imports.values() ?? []));
  }
  // A package's modules may be imported by a name that is made at run time, which leaves no trace.
  return [...files.values()].filter(
    ({ path: file }) => isCode(file) && !whole.has(file) && packages.has(packageFolder(file)),
  );
}

/** Not machine code, nor what esbuild left empty. */
const isCode = (file: string): boolean => /\.(?:[cm]?[jt]sx?|json)$/.test(file) || path.extname(file) === "";

async function packedModule(file: GraphFile, nameOf: (file: string) => string): Promise<PackedModule> {
  const format = formatOf(file.path, file.isEsm);
  const { source, mapped } = await textOf(file.path, format, file.isEsm, file.compiled);
  const imports = tableOf(file.imports, nameOf);
  return { name: nameOf(file.path), format, source, imports, ...(mapped ? { mapped } : {}) };
}

const tableOf = (imports: ReadonlyMap<string, string>, nameOf: (file: string) => string): ImportTable =>
  sortedRecord([...imports].map(([entry, target]) => [entry, nameOf(target)]));

function importersOf(
  { importers }: ModuleGraph,
  whole: WholePackages,
  nameOf: (file: string) => string,
): Record<string, ImportTable> {
  const tables = [...importers].filter(([parent, imports]) => imports.size > 0 && !whole.has(parent));
  return sortedRecord(tables.map(([parent, imports]) => [nameOf(parent), tableOf(imports, nameOf)]));
}

function sortedRecord<T>(entries: (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const packedArchive = (
  { folder, what, archive }: WholeFolder,
  nameOf: (file: string) => string,
): PackedArchive => ({
  hash: archive.hash,
  at: nameOf(folder),
  sizeBytes: archive.sizeBytes,
  what,
});

interface SentFiles {
  /** Folders that must be below the root. */
  readonly folders: readonly string[];
  wholeFolders(root: string): Promise<WholeFolder>[];
}

/** Option `files`, with what Node must know of modules among them: which kind they are. */
async function sentFiles({ files, cwd }: CodeRequest): Promise<SentFiles> {
  const paths = files.flatMap((given) => {
    const file = path.resolve(cwd, given);
    if (!fs.existsSync(file)) throw noSuchFile(given, cwd);
    return fs.statSync(file).isDirectory() ? everyFile(file) : [file];
  });
  const manifests = new Map<string, string>();
  for (const file of paths) {
    const folder = /\.[jt]sx?$/.test(file) ? manifestFolder(path.dirname(file)) : undefined;
    const type = folder && readManifest(folder)!["type"];
    if (type) manifests.set(path.join(folder, "package.json"), JSON.stringify({ type }));
  }
  return {
    folders: [...paths, ...manifests.keys()].map((file) => path.dirname(file)),
    wholeFolders: (root) => {
      if (paths.length === 0) return [];
      const entries = new Map<string, ArchiveEntry["source"]>();
      for (const [file, text] of manifests) entries.set(path.relative(root, file), { text });
      for (const file of paths) entries.set(path.relative(root, file), { file });
      const list = [...entries].map(([name, source]) => ({ name: name.replaceAll(path.sep, "/"), source }));
      list.sort((a, b) => (a.name < b.name ? -1 : 1));
      const what = `${paths.length} file${paths.length === 1 ? "" : "s"}`;
      return [describeArchive(list).then((archive) => ({ folder: root, what, archive }))];
    },
  };
}

function manifestFolder(from: string): string | undefined {
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (readManifest(folder)) return folder;
    if (path.dirname(folder) === folder) return undefined;
  }
}

const noSuchFile = (given: string, cwd: string): UsageError =>
  new UsageError("BAD_OPTION", `option files names ${JSON.stringify(given)}, which isn't there`, {
    remedy: `Paths are relative to the current folder, ${cwd}.`,
    details: { option: "files" },
  });

const isInside = (root: string, folder: string): boolean =>
  !/^\.\.(?:[/\\]|$)/.test(path.relative(root, folder));

/** The innermost folder that all of them are in. */
function commonFolder(folders: readonly string[]): string {
  const [first, ...others] = folders.map((folder) => path.resolve(folder));
  let common = first ?? path.resolve("/");
  for (const folder of others) while (!isInside(common, folder)) common = path.dirname(common);
  return common;
}
