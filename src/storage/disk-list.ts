import fs from "node:fs";
import path from "node:path";
import type { ListOptions, ObjectInfo } from "./contract.ts";
import { FOOTER_BYTES, identify, isLogMode } from "./disk-object.ts";
import { CONTINUED, type KeyPaths, MARKER_NAME } from "./disk-paths.ts";
import { errnoOf } from "./failures.ts";

/** Walks the folders in the order of their keys, one folder in memory a level. What appears meanwhile may be missed. */
export async function* listDisk(
  paths: KeyPaths,
  prefix: string,
  options: ListOptions | undefined,
): AsyncIterable<ObjectInfo> {
  yield* walk(paths, paths.root, "", prefix, options?.after ?? "");
}

async function* walk(
  paths: KeyPaths,
  folder: string,
  folderKey: string,
  prefix: string,
  after: string,
): AsyncIterable<ObjectInfo> {
  for (const entry of await entriesOf(paths, folder, "", folderKey === "")) {
    const key = folderKey + entry.name;
    if (entry.isFolder) {
      const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
      // All keys of the folder start with `key`: they come before `after` if it does, unless `after` is inside.
      if (mayMatch && (key > after || after.startsWith(key)))
        yield* walk(paths, entry.path, key, prefix, after);
    } else if (key.startsWith(prefix) && key > after) {
      const info = infoOf(key, entry.path);
      if (info !== undefined) yield info;
    }
  }
}

interface Entry {
  /** Of a folder, with its "/": so entries sort as the keys below them do. */
  readonly name: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/** A folder's entries in code-unit order. `start` is the first part of a long segment that goes on here. */
async function entriesOf(paths: KeyPaths, folder: string, start: string, isRoot: boolean): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const found of await readFolder(folder)) {
    if (isRoot && found.name === MARKER_NAME) continue;
    const at = path.join(folder, found.name);
    if (found.isDirectory() && found.name.endsWith(CONTINUED)) {
      const rest = await entriesOf(paths, at, start + found.name.slice(0, -CONTINUED.length), false);
      for (const entry of rest) entries.push(entry);
      continue;
    }
    const segment = found.isDirectory() || found.isFile() ? paths.segmentOf(start + found.name) : undefined;
    if (segment === undefined) continue;
    const isFolder = found.isDirectory();
    entries.push({ name: isFolder ? `${segment}/` : segment, path: at, isFolder });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readFolder(folder: string): Promise<fs.Dirent[]> {
  try {
    return await fs.promises.readdir(folder, { withFileTypes: true });
  } catch (error) {
    // Removed while the list went on.
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}

/** Size and age from the file's own facts; a damaged object is found out when it is read. */
export function infoOf(key: string, file: string): ObjectInfo | undefined {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile()) return undefined;
  const sizeBytes = isLogMode(stats.mode) ? sizeOfWritable(file) : Math.max(0, stats.size - FOOTER_BYTES);
  return { key, sizeBytes, modifiedMs: stats.mtimeMs };
}

/** A log, or an object whose mode was lost, by a copy for instance: its footer tells. */
function sizeOfWritable(file: string): number {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0));
  try {
    const stats = fs.fstatSync(fd);
    const kind = identify(fd, stats);
    return typeof kind === "string" ? stats.size : kind.sizeBytes;
  } finally {
    fs.closeSync(fd);
  }
}
