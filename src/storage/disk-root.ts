import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { StoreError } from "../errors.ts";
import { discard, removeFile } from "./disk-folders.ts";
import { MARKER_NAME, TEMP_FOLDER } from "./disk-paths.ts";
import { errnoOf, storeFailure } from "./failures.ts";

/** The version of the folder's layout that this Kinglet writes, and the newest that it reads. */
export const STORE_FORMAT = 1;

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const STALE_HERE_MS = 60_000;
const STALE_ELSEWHERE_MS = 24 * 3_600_000;

export interface DiskRoot {
  /** The real path: no symbolic link in it. */
  readonly path: string;
  readonly tempFolder: string;
  /** The file system takes "A" for "a". Fixed when the store is made, so that names never change meaning. */
  readonly foldsNames: boolean;
}

/**
 * Makes or opens the store's folder: 0700, with a version marker, proven writable, without the temporary files of
 * processes that died.
 *
 * @throws StoreError STORE_UNWRITABLE, STORE_FULL; STORE_VERSION if a newer Kinglet wrote it; STORE_CORRUPT
 */
export function openRoot(root: string): DiskRoot {
  const shown = JSON.stringify(root);
  try {
    makeFolders(path.resolve(root));
    const realRoot = fs.realpathSync.native(root);
    refuseForeignFolder(realRoot, shown);
    keepOthersOut(realRoot, shown);
    const tempFolder = path.join(realRoot, TEMP_FOLDER);
    makeFolder(tempFolder);
    sweepTempFiles(tempFolder);
    const marker = readMarker(realRoot, shown) ?? writeMarker(realRoot, tempFolder, shown);
    proveWritable(tempFolder);
    return { path: realRoot, tempFolder, foldsNames: marker.foldsNames };
  } catch (error) {
    const impossible = ["ENOENT", "ENOTDIR", "EEXIST"].includes(errnoOf(error) ?? "");
    throw storeFailure(impossible ? notAFolder(error, shown) : error, `use the folder ${shown} as a store`);
  }
}

let tempCount = 0;

/** A path for a new temporary file; its name says whose it is, so that others can sweep it. */
export function tempPath(tempFolder: string): string {
  tempCount += 1;
  const random = Math.floor(Math.random() * 2 ** 32).toString(36);
  return path.join(tempFolder, `${hostTag()}-${process.pid}-${tempCount}-${random}`);
}

interface Marker {
  readonly foldsNames: boolean;
}

function readMarker(root: string, shown: string): Marker | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path.join(root, MARKER_NAME), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  let marker: { format?: unknown; foldsNames?: unknown } | null;
  try {
    marker = JSON.parse(text);
  } catch (error) {
    throw damagedMarker(shown, error);
  }
  const format = marker?.format;
  if (typeof format !== "number" || !Number.isInteger(format) || format < 1) throw damagedMarker(shown);
  if (format > STORE_FORMAT) {
    throw new StoreError(
      "STORE_VERSION",
      `the store in ${shown} was written by a newer version of Kinglet (format ${format}; this one reads ${STORE_FORMAT})`,
      { remedy: "Update kinglet, or choose another folder with KINGLET_STORAGE.", details: { format } },
    );
  }
  return { foldsNames: marker?.foldsNames === true };
}

/** Several processes may make one store at the same time: the first marker stands. */
function writeMarker(root: string, tempFolder: string, shown: string): Marker {
  const temp = tempPath(tempFolder);
  try {
    fs.writeFileSync(temp, "", { flag: "wx", mode: FILE_MODE });
    // A file system that doesn't tell capitals from small letters finds the file under the other name, too.
    const foldsNames = fs.existsSync(path.join(tempFolder, path.basename(temp).toUpperCase()));
    const marker = { format: STORE_FORMAT, ...(foldsNames ? { foldsNames } : {}) };
    fs.writeFileSync(temp, `${JSON.stringify(marker)}\n`);
    fs.linkSync(temp, path.join(root, MARKER_NAME));
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw linkless(error, shown);
  } finally {
    discard(temp);
  }
  return readMarker(root, shown)!;
}

function linkless(error: unknown, shown: string): unknown {
  if ((error as { syscall?: string }).syscall !== "link") return error;
  if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(error) ?? "")) return error;
  return new StoreError("STORE_UNWRITABLE", `the file system of ${shown} has no hard links`, {
    cause: error,
    remedy:
      "Kinglet commits results by linking files: choose a folder on another file system with KINGLET_STORAGE.",
  });
}

/** So that nobody points a store (and later `kinglet clean`) at a folder of other things. */
function refuseForeignFolder(root: string, shown: string): void {
  const names = fs.readdirSync(root);
  if (names.includes(MARKER_NAME)) return;
  const foreign = names.find((name) => !/^[.%]/.test(name) && name !== "lost+found");
  if (foreign === undefined) return;
  throw new StoreError(
    "STORE_UNWRITABLE",
    `the folder ${shown} is no Kinglet store, but holds other files (${JSON.stringify(foreign)})`,
    { remedy: "Choose an empty folder, or one that doesn't exist yet, with KINGLET_STORAGE." },
  );
}

/** Who can write here can run code as this user; who can read here sees all results. */
function keepOthersOut(root: string, shown: string): void {
  const { mode, uid } = fs.statSync(root);
  if ((mode & 0o077) === 0 || process.getuid === undefined) return;
  if (uid === process.getuid()) {
    fs.chmodSync(root, FOLDER_MODE);
  } else if ((mode & 0o022) !== 0) {
    throw new StoreError(
      "STORE_UNWRITABLE",
      `the folder ${shown} belongs to another user, and others may write to it`,
      {
        remedy:
          "Whoever writes to a store can run code as you: choose a folder of your own with KINGLET_STORAGE.",
      },
    );
  }
}

/** Not `mkdir` with `recursive`, which never ends under /proc (Node 22 to 26). */
function makeFolders(folder: string): void {
  try {
    fs.mkdirSync(folder, { mode: FOLDER_MODE });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" && path.dirname(folder) !== folder) {
      makeFolders(path.dirname(folder));
      fs.mkdirSync(folder, { mode: FOLDER_MODE });
    } else if (errno !== "EEXIST" || !fs.statSync(folder).isDirectory()) {
      throw error;
    }
  }
}

function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { mode: FOLDER_MODE });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    if (!fs.lstatSync(folder).isDirectory()) {
      throw new StoreError("STORE_CORRUPT", `${JSON.stringify(folder)} is not the store's own folder`, {
        remedy: "Remove it.",
      });
    }
  }
}

function proveWritable(tempFolder: string): void {
  const temp = tempPath(tempFolder);
  // A full disk lets empty files be made.
  fs.writeFileSync(temp, "writable", { flag: "wx", mode: FILE_MODE });
  fs.unlinkSync(temp);
}

/**
 * Removes what dead processes left half-written. Other hosts, and containers that show the same host name, can't be
 * asked: there, and within a minute of the last write, a file counts as alive.
 */
function sweepTempFiles(tempFolder: string): void {
  for (const name of fs.readdirSync(tempFolder)) {
    const file = path.join(tempFolder, name);
    const idleMs = Date.now() - (fs.lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    const [host, pid] = name.split("-");
    const here = host === hostTag();
    if (idleMs < (here ? STALE_HERE_MS : STALE_ELSEWHERE_MS) || (here && isAlive(Number(pid)))) continue;
    removeFile(file);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}

let cachedHostTag: string | undefined;

function hostTag(): string {
  cachedHostTag ??=
    os
      .hostname()
      .replaceAll(/[^A-Za-z0-9.]/g, "_")
      .slice(0, 60) || "host";
  return cachedHostTag;
}

function damagedMarker(shown: string, cause?: unknown): StoreError {
  return new StoreError("STORE_CORRUPT", `the marker of the store in ${shown}, ${MARKER_NAME}, is damaged`, {
    remedy: `If the folder is a Kinglet store, write {"format":${STORE_FORMAT}} into that file.`,
    ...(cause === undefined ? {} : { cause }),
  });
}

function notAFolder(error: unknown, shown: string): StoreError {
  return new StoreError("STORE_UNWRITABLE", `can't use ${shown} as a store: ${(error as Error).message}`, {
    cause: error,
    remedy: "Choose a folder that can be made with KINGLET_STORAGE.",
  });
}
