import fs from "node:fs";
import path from "node:path";
import { StoreError } from "../errors.ts";
import { errnoOf } from "./failures.ts";
import { badKey } from "./keys.ts";

/** A folder may be removed, empty, by a delete between its making and its use: then it is made again. */
const MAX_PLACE_ATTEMPTS = 100;

/**
 * The folders of a store. None is ever a symbolic link: each use compares a folder's real path with the one that its
 * key gives, so that no link leads out of the root.
 */
export class DiskFolders {
  readonly #root: string;
  readonly #durable: boolean;

  constructor(root: string, durable: boolean) {
    this.#root = root;
    this.#durable = durable;
  }

  /** Throws ENOENT where there is no such folder, STORE_CORRUPT where a link is in its way. */
  check(folder: string, key: string): void {
    if (fs.realpathSync.native(folder) !== folder) throw linked(folder, key);
  }

  /**
   * Runs `place`, which puts a file at `target`, in a folder that exists.
   *
   * @param stillThere whether to try again when `place` finds no folder; else its error stands
   * @returns false if an object stands at `target`, which `place` may not replace
   * @throws StoreError BAD_KEY where a folder stands at `target`, or an object at one of its folders
   */
  place(key: string, target: string, place: () => void, stillThere: () => boolean): boolean {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#make(path.dirname(target), key);
        place();
        return true;
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === "ENOTDIR")
          throw badKey(key, "one of its folders is an object", OBJECT_OR_FOLDER, error);
        const taken = errno === "EEXIST" || errno === "EISDIR" || errno === "ENOTEMPTY";
        if (taken) {
          const found = fs.lstatSync(target, { throwIfNoEntry: false });
          if (found?.isSymbolicLink()) throw linked(target, key);
          if (found?.isFile()) return false;
          // An empty folder is what a put or delete that was killed left behind.
          if (found?.isDirectory() && !removeEmptyFolder(target)) {
            throw badKey(key, "it is the folder of other objects", OBJECT_OR_FOLDER, error);
          }
        }
        const again = taken || (errno === "ENOENT" && stillThere());
        if (!again || attempt === MAX_PLACE_ATTEMPTS) throw error;
      }
    }
  }

  /** Removes the folder and those above it, as long as they are empty. */
  prune(folder: string): void {
    for (let at = folder; at !== this.#root && at.startsWith(this.#root); at = path.dirname(at)) {
      if (!removeEmptyFolder(at)) return;
    }
  }

  #make(folder: string, key: string): void {
    if (folder === this.#root) return;
    try {
      this.check(folder, key);
      return;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    const parent = path.dirname(folder);
    this.#make(parent, key);
    try {
      fs.mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      // Another process was quicker, unless it is a link that leads nowhere.
      if (fs.lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) throw linked(folder, key);
    }
    if (this.#durable) syncFolder(parent);
  }
}

/** Unlike `rmSync`, whose errors lack their code on a read-only disk (Node 24). */
export function removeFile(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Removes a temporary file if it can: what it can't, a later opening of the store sweeps. */
export function discard(temp: string): void {
  try {
    removeFile(temp);
  } catch {}
}

/** Makes the names in a folder survive a power loss. */
export function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

export async function syncFolderAsync(folder: string): Promise<void> {
  const handle = await fs.promises.open(folder, fs.constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function linked(file: string, key: string): StoreError {
  return new StoreError(
    "STORE_CORRUPT",
    `can't use the object ${JSON.stringify(key)}: ${JSON.stringify(file)} is, or lies behind, a symbolic link`,
    { remedy: "Kinglet follows no link inside a store: remove it.", details: { key } },
  );
}

const OBJECT_OR_FOLDER =
  'On disk "a" can\'t be an object while "a/b" is one: choose another name for one of them.';

function removeEmptyFolder(folder: string): boolean {
  try {
    fs.rmdirSync(folder);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}
