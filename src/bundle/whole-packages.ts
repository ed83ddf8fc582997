import path from "node:path";
import type { WorkerTarget } from "../compute/contract.ts";
import { UsageError } from "../errors.ts";
import { type Archive, type ArchiveEntry, describeArchive } from "./archive.ts";
import {
  bringsInner,
  filesOf,
  findInstalled,
  type InstalledPackage,
  installedAt,
  isNative,
  mustBeWhole,
  PackageClosure,
  packageFolder,
} from "./installed-packages.ts";
import type { GraphFile, ModuleGraph } from "./module-graph.ts";
import { fitsTarget, installedForTarget, isThisPlatform } from "./target-packages.ts";

/** A folder of the worker's disk: where it is on the driver, and the archive of what is in it. */
export interface WholeFolder {
  readonly folder: string;
  readonly what: string;
  readonly archive: Archive;
}

/** Packages that travel whole, with all that they depend on. */
export interface WholePackages {
  readonly folders: readonly WholeFolder[];
  /** Path of a link → folder, both on the driver. */
  readonly links: ReadonlyMap<string, string>;
  /** Whether the file is in one of them, so that it need not travel by itself. */
  has(file: string): boolean;
}

/**
 * Packages with machine code, or that look for files of their own, and those of option `packages`.
 * @throws UsageError naming a package that can't be had for the target
 */
export async function wholePackages(
  graph: ModuleGraph,
  named: readonly string[],
  cwd: string,
  target: WorkerTarget,
): Promise<WholePackages> {
  const closure = new PackageClosure();
  const others = new Map<string, InstalledPackage>();
  const here = isThisPlatform(target);
  const accepts = (found: InstalledPackage): boolean => {
    if (!fitsTarget(found, target)) return false;
    if (here || !isNative(found)) return true;
    others.set(found.folder, found); // npm brings it, with what it depends on
    return false;
  };
  for (const name of named) {
    const found = findInstalled(name, cwd);
    if (!found) throw notInstalled(name, cwd);
    if (found.link) closure.links.set(found.link, found.folder);
    closure.add(found.folder, accepts);
  }
  for (const [folder, used] of usedPackages(graph)) {
    const found = installedAt(folder);
    if (found && mustBeWhole(found, used)) closure.add(folder, accepts);
  }
  const folders: WholeFolder[] = [];
  for (const found of closure.packages.values()) folders.push(await wholeFolder(found, found.folder));
  for (const found of others.values()) folders.push(...(await foreignFolders(found, target)));
  const shipped = new Set(folders.map(({ folder }) => folder));
  return {
    folders: folders.sort((a, b) => (a.folder < b.folder ? -1 : 1)),
    links: closure.links,
    has: (file) => shipped.has(packageFolder(file) ?? ""),
  };
}

function usedPackages(graph: ModuleGraph): Map<string, GraphFile[]> {
  const used = new Map<string, GraphFile[]>();
  for (const file of graph.files.values()) {
    const folder = packageFolder(file.path);
    if (folder === undefined) continue;
    const files = used.get(folder);
    if (files) files.push(file);
    else used.set(folder, [file]);
  }
  return used;
}

/** @param at where it is to lie, as a path on the driver */
async function wholeFolder(found: InstalledPackage, at: string): Promise<WholeFolder> {
  const archive = await describeArchive(entriesOf(found.folder, filesOf(found.folder, bringsInner(found))));
  return { folder: at, what: `${found.name}@${found.version}`, archive };
}

const entriesOf = (folder: string, files: readonly string[]): ArchiveEntry[] =>
  files.map((file) => ({ name: namesIn(folder, file), source: { file } }));

const namesIn = (folder: string, file: string): string =>
  path.relative(folder, file).replaceAll(path.sep, "/");

/** The package as it is for another platform; what it depends on lies inside of it, so that no other version is in its way. */
async function foreignFolders(found: InstalledPackage, target: WorkerTarget): Promise<WholeFolder[]> {
  const modules = path.join(await installedForTarget(found, target), "node_modules");
  const own = path.join(modules, found.name);
  const inner = filesOf(modules, true).filter(
    (file) => !file.startsWith(own + path.sep) && !/[/\\]\.bin[/\\]/.test(file),
  );
  const main = await wholeFolder({ ...found, folder: own }, found.folder);
  if (inner.length === 0) return [main];
  const rest = await describeArchive(entriesOf(modules, inner));
  const what = `what ${found.name} needs on ${target.platform}-${target.arch}`;
  return [main, { folder: path.join(found.folder, "node_modules"), what, archive: rest }];
}

const notInstalled = (name: string, cwd: string): UsageError =>
  new UsageError(
    "BAD_OPTION",
    `option packages names ${JSON.stringify(name)}, which isn't installed in ${cwd}`,
    {
      remedy: `Install it: npm install ${name}`,
      details: { option: "packages" },
    },
  );
