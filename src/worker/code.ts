import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type FilePlaces, setFilePlaces } from "../capture/elsewhere.ts";
import { pathOf } from "../capture/urls.ts";
import { StoreError } from "../errors.ts";
import { type CodePackage, type PackedArchive, parseCodeReference, unpackCode } from "../job/code-package.ts";
import { archiveKey, codeKey } from "../job/keys.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import {
  addModuleFolder,
  type ModuleFolder,
  mustBeFiles,
  removeModuleFolder,
  writeModules,
} from "./module-hooks.ts";
import { CODE_FOLDER } from "./scratch.ts";

const KEPT_FOLDERS = 8;

/** A folder of this process with the modules and files of code packages. */
interface CodeFolder {
  readonly path: string;
  /** On the driver. */
  readonly rootUrl: string;
  readonly modules: ModuleFolder;
  /** Folder in it → hash of the archive that was unpacked there. */
  readonly archives: Map<string, string>;
  readonly places: FilePlaces;
}

interface LoadedCode {
  readonly folder: CodeFolder;
  readonly workingFolder: string;
}

/**
 * The code packages that a worker has loaded. Each is fetched and checked once; packages that agree share a folder, so
 * that a module is loaded once in this process, as on the driver. Of folders the least recently used goes first.
 */
export class CodeLoader {
  readonly #store: ObjectStore;
  readonly #home: string;
  readonly #loaded = new Map<string, LoadedCode>();
  /** In order of use. */
  readonly #folders = new Set<CodeFolder>();
  readonly #ownFolder = process.cwd();
  #current: string | undefined;
  #made = 0;

  /** @param home where its folders are made; default: the system's folder for temporary files */
  constructor(store: ObjectStore, home = os.tmpdir()) {
    this.#store = store;
    this.#home = home;
  }

  /**
   * From now on modules come from the package, and tasks run in its folder; undefined: from this machine's own files.
   * A promise only the first time.
   * @throws StoreError NOT_FOUND, STORE_CORRUPT, …; errors of the disk
   */
  use(reference: string | undefined): MaybePromise<void> {
    if (reference === this.#current) return;
    if (reference === undefined) {
      setFilePlaces(undefined);
      process.chdir(this.#ownFolder);
      this.#current = undefined;
      return;
    }
    const loaded = this.#loaded.get(reference);
    if (loaded) this.#enter(reference, loaded);
    else return this.#load(reference).then((code) => this.#enter(reference, code));
  }

  #enter(reference: string, { folder, workingFolder }: LoadedCode): void {
    this.#current = reference;
    this.#folders.delete(folder);
    this.#folders.add(folder);
    setFilePlaces(folder.places);
    process.chdir(path.join(folder.path, workingFolder));
  }

  async #load(reference: string): Promise<LoadedCode> {
    const { hash, rootUrl } = parseCodeReference(reference);
    const code = unpackCode(await this.#store.get(codeKey(hash)), hash);
    const folder = [...this.#folders].find((one) => agrees(one, code, rootUrl)) ?? this.#newFolder(rootUrl);
    await this.#unpack(code, folder);
    const { modules, importers } = folder.modules;
    if (mustBeFiles(code.modules)) writeModules(folder.modules.url, code.modules);
    for (const one of code.modules) modules.set(one.name, one);
    for (const [name, table] of Object.entries(code.importers))
      importers.set(name, { ...importers.get(name), ...table });
    if (code.modules.some(({ mapped }) => mapped)) process.setSourceMapsEnabled(true);
    fs.mkdirSync(path.join(folder.path, code.workingFolder), { recursive: true });
    const loaded = { folder, workingFolder: code.workingFolder };
    this.#loaded.set(reference, loaded);
    this.#forgetOld(folder);
    return loaded;
  }

  #newFolder(rootUrl: string): CodeFolder {
    const own = path.join(homeFolder(this.#home), String(process.pid));
    this.#made += 1;
    const folder = path.join(own, String(this.#made));
    if (this.#made === 1) fs.rmSync(own, { recursive: true, force: true }); // of an earlier process of this number
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (this.#made === 1) process.on("exit", () => fs.rmSync(own, { recursive: true, force: true }));
    const url = `${pathToFileURL(folder).href}/`;
    const driverRoot = `${rootPath(rootUrl)}/`;
    const modules = { url, driverRoot, modules: new Map(), importers: new Map() };
    const made = {
      path: folder,
      rootUrl,
      modules,
      archives: new Map(),
      places: this.#places(folder, rootUrl),
    };
    addModuleFolder(modules);
    this.#folders.add(made);
    return made;
  }

  #places(folder: string, rootUrl: string): FilePlaces {
    const root = rootPath(rootUrl);
    return {
      id: this.#made,
      here: (file) => moved(file, folder, folder) ?? moved(file, root, folder) ?? file,
      // What was loaded from another folder may still be in use.
      there: (file) => {
        for (const one of this.#folders) {
          const place = moved(file, one.path, rootPath(one.rootUrl));
          if (place !== undefined) return place;
        }
        return file;
      },
    };
  }

  async #unpack(code: CodePackage, folder: CodeFolder): Promise<void> {
    const missing = code.archives.filter(({ at, hash }) => folder.archives.get(at) !== hash);
    await Promise.all(missing.map((archive) => this.#unpackOne(archive, path.join(folder.path, archive.at))));
    for (const { at, hash } of missing) folder.archives.set(at, hash);
    for (const [name, target] of Object.entries(code.links)) {
      const link = path.join(folder.path, name);
      if (fs.existsSync(link)) continue;
      fs.mkdirSync(path.dirname(link), { recursive: true });
      fs.symlinkSync(path.relative(path.dirname(link), path.join(folder.path, target)), link);
    }
  }

  async #unpackOne({ hash, what }: PackedArchive, target: string): Promise<void> {
    const { unpackArchive } = await import("./unpack.ts");
    const actual = await unpackArchive(this.#store.getStream(archiveKey(hash)), target);
    if (actual === hash) return;
    fs.rmSync(target, { recursive: true, force: true });
    throw new StoreError(
      "STORE_CORRUPT",
      `the archive ${archiveKey(hash)} (${what}) is damaged: its files have the hash ${actual}`,
      {
        remedy: "Delete that object and run the script again: it is stored anew.",
        details: { key: archiveKey(hash) },
      },
    );
  }

  #forgetOld(used: CodeFolder): void {
    for (const folder of this.#folders) {
      if (this.#folders.size <= KEPT_FOLDERS) return;
      if (folder === used || folder === this.#loaded.get(this.#current ?? "")?.folder) continue;
      this.#folders.delete(folder);
      removeModuleFolder(folder.modules);
      for (const [reference, loaded] of this.#loaded)
        if (loaded.folder === folder) this.#loaded.delete(reference);
      fs.rmSync(folder.path, { recursive: true, force: true });
    }
  }
}

/** Whether what the package brings can lie beside what is in the folder: nothing of the same name is another thing. */
function agrees(folder: CodeFolder, code: CodePackage, rootUrl: string): boolean {
  if (folder.rootUrl !== rootUrl) return false;
  const { modules, importers } = folder.modules;
  const isSame = (
    table: Readonly<Record<string, string>>,
    other: Readonly<Record<string, string>> | undefined,
  ) => !other || Object.entries(table).every(([entry, target]) => (other[entry] ?? target) === target);
  return (
    code.archives.every(({ at, hash }) => (folder.archives.get(at) ?? hash) === hash) &&
    Object.entries(code.importers).every(([name, table]) => isSame(table, importers.get(name))) &&
    code.modules.every(({ name, format, source, imports }) => {
      const there = modules.get(name);
      return !there || (there.source === source && there.format === format && isSame(imports, there.imports));
    })
  );
}

/** A folder that only this user can look into; what dead processes left in it is removed. */
function homeFolder(home: string): string {
  const folder = path.join(fs.realpathSync(home), `${CODE_FOLDER}-${process.getuid?.() ?? 0}`);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = fs.lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} belongs to somebody else: code can't be kept there. Remove it, or set TMPDIR`);
  }
  for (const name of fs.readdirSync(folder)) {
    if (!isAlive(Number(name))) fs.rmSync(path.join(folder, name), { recursive: true, force: true });
  }
  return folder;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** `file` in place of a path that begins with folder `from`, with folder `to` there. */
function moved(file: string, from: string, to: string): string | undefined {
  return file === from || file.startsWith(`${from}/`) ? to + file.slice(from.length) : undefined;
}

const rootPath = (rootUrl: string): string => pathOf(rootUrl).replace(/\/$/, "");
