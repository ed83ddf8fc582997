import fs from "node:fs";
import path from "node:path";
import type { GraphFile } from "./module-graph.ts";
import { type Manifest, readManifest } from "./module-source.ts";

/** A package as it is installed here. */
export interface InstalledPackage {
  /** Real path of its folder. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly manifest: Manifest;
}

const IN_PACKAGE = /^(.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/;

/** Folder of the package that a file belongs to; undefined for the user's own files. */
export const packageFolder = (file: string): string | undefined => IN_PACKAGE.exec(file)?.[1];

export function installedAt(folder: string): InstalledPackage | undefined {
  const manifest = readManifest(folder);
  if (!manifest) return undefined;
  const name = String(manifest["name"] ?? path.basename(folder));
  return { folder, name, version: String(manifest["version"] ?? "0.0.0"), manifest };
}

/** A package of that name as code in `from` finds it: where, and at what path if that is a link. */
export function findInstalled(
  name: string,
  from: string,
): { readonly folder: string; readonly link: string | undefined } | undefined {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const place = path.join(folder, "node_modules", name);
    if (fs.existsSync(path.join(place, "package.json"))) {
      const real = fs.realpathSync(place);
      return { folder: real, link: real === place ? undefined : place };
    }
    if (path.dirname(folder) === folder) return undefined;
  }
}

const namesOf = (manifest: Manifest, field: string): string[] =>
  Object.keys((manifest[field] as Record<string, string> | undefined) ?? {});

/** Packages, with all that they depend on and that is installed; links that lead to them. */
export class PackageClosure {
  readonly packages = new Map<string, InstalledPackage>();
  /** Path of a link → folder that it stands for. */
  readonly links = new Map<string, string>();

  /** @param accepts leaves out what isn't wanted, such as binaries of other platforms */
  add(folder: string, accepts: (found: InstalledPackage) => boolean): void {
    const found = this.packages.has(folder) ? undefined : installedAt(folder);
    if (!found || !accepts(found)) return;
    this.packages.set(folder, found);
    const { manifest } = found;
    const names = ["dependencies", "optionalDependencies", "peerDependencies"].flatMap((field) =>
      namesOf(manifest, field),
    );
    for (const name of names) {
      const dependency = findInstalled(name, folder);
      if (!dependency) continue;
      if (dependency.link) this.links.set(dependency.link, dependency.folder);
      this.add(dependency.folder, accepts);
    }
  }
}

const BUILD_TOOLS =
  /^(?:bindings|node-gyp-build.*|prebuild-install|@mapbox\/node-pre-gyp|node-pre-gyp|prebuildify)$/;
const PLATFORM_NAME = /(?:^|[-_/])(?:linux|darwin|win32|linuxmusl)(?:[-_]|$)/;

/** It has, or brings along, machine code. */
export function isNative({ manifest, folder }: InstalledPackage): boolean {
  if (manifest["gypfile"] === true || fs.existsSync(path.join(folder, "binding.gyp"))) return true;
  if (namesOf(manifest, "optionalDependencies").some((name) => PLATFORM_NAME.test(name))) return true;
  if (namesOf(manifest, "dependencies").some((name) => BUILD_TOOLS.test(name))) return true;
  return filesOf(folder).some((file) => file.endsWith(".node"));
}

const READS_OWN_FILES =
  /\b__dirname\b|\b__filename\b|import\.meta\.(?:dirname|filename)\b|new URL\([^;]*import\.meta\.url|fileURLToPath\(\s*import\.meta\.url/;

/** Its modules look for files beside them, or there is machine code: it must be on the worker's disk as it is. */
export function mustBeWhole(found: InstalledPackage, used: readonly GraphFile[]): boolean {
  if (used.some(({ path: file }) => /\.(?:node|wasm)$/.test(file)) || isNative(found)) return true;
  return used.some(
    ({ path: file }) => /\.[cm]?js$/.test(file) && READS_OWN_FILES.test(fs.readFileSync(file, "utf8")),
  );
}

/** Nothing that runs. */
const LEFT_OUT = /\.(?:md|markdown|map|flow|d\.[cm]?ts|c|cc|cpp|cxx|h|hpp|gypi?|o|a|obj|mk)$/i;

/** The files that make up a package, as paths; those of packages inside it only where it brings them itself. */
export const filesOf = (folder: string, withInner = false): string[] =>
  everyFile(folder, withInner ? [".git"] : [".git", "node_modules"]).filter((file) => !LEFT_OUT.test(file));

/** All files in a folder and those inside, in order; links among them are left out. */
export function everyFile(folder: string, without: readonly string[] = [".git", "node_modules"]): string[] {
  const files: string[] = [];
  const visit = (at: string): void => {
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const file = path.join(at, entry.name);
      if (entry.isFile()) files.push(file);
      else if (entry.isDirectory() && !without.includes(entry.name)) visit(file);
    }
  };
  visit(folder);
  return files.sort();
}

export const bringsInner = ({ manifest }: InstalledPackage): boolean =>
  Array.isArray(manifest["bundleDependencies"]) || Array.isArray(manifest["bundledDependencies"]);
