import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { StoreError } from "../errors.ts";
import { chunksInMemory, sizeOf, spanOf } from "./bodies.ts";
import type { GetOptions, LogWriter, ObjectInfo, ObjectStore, PutBody, PutOptions } from "./contract.ts";
import { DiskFolders, discard, linked, removeFile, syncFolder, syncFolderAsync } from "./disk-folders.ts";
import { infoOf, listDisk } from "./disk-list.ts";
import { openDiskLog } from "./disk-log.ts";
import {
  crcOf,
  type FileKind,
  footerOf,
  identify,
  OBJECT_MODE,
  PIECE_BYTES,
  readFull,
  readFullSync,
  SMALL_BYTES,
  writeAll,
  writeAllSync,
} from "./disk-object.ts";
import { type KeyPaths, keyPaths } from "./disk-paths.ts";
import { type DiskRoot, openRoot, tempPath } from "./disk-root.ts";
import { corrupt, errnoOf, logExists, notFound, storeFailure } from "./failures.ts";
import { checkKey, checkPrefix } from "./keys.ts";

export interface DiskStoreOptions {
  /**
   * What a finished `put` survives: "process" (default) any crash of processes; "fsync" also a power loss, at the
   * cost of two syncs an object.
   */
  readonly durability?: "process" | "fsync";
}

/**
 * An object store in a folder, for one machine or several that share the folder. Synchronous: it makes the folder
 * (0700) where it is missing and proves that it can write there.
 *
 * An object is a file of its key's name: its bytes, then 16 bytes of length and CRC-32, which `get` checks for the
 * whole object and, of a range, only as to length. It is written aside and linked into place, so it is there whole or
 * not at all; `ifAbsent` links, which one of all processes wins. A log has no footer. `localPath` gives a file
 * whose offsets are the object's own: read `head(key).sizeBytes` of it, not to the file's end.
 *
 * Up to 64 KiB are read and written synchronously, which on a local disk is quicker than waiting for a thread.
 * On disk, "a" can't be an object while "a/b" is one: BAD_KEY.
 *
 * @param root the folder
 * @throws StoreError STORE_UNWRITABLE, STORE_FULL, STORE_VERSION (written by a newer Kinglet), STORE_CORRUPT
 * @example
 * const store = openDiskStore(".kinglet");
 * await store.put("out/a.bin", bytes, { ifAbsent: true }); // { created: true }
 * await store.get("out/a.bin", { range: { offsetBytes: 0, lengthBytes: 4 } });
 */
export function openDiskStore(root: string, options: DiskStoreOptions = {}): ObjectStore {
  return new DiskStore(root, openRoot(root), options.durability === "fsync");
}

const fsync = promisify(fs.fsync);
const YIELD_AFTER_DELETES = 200;

class DiskStore implements ObjectStore {
  readonly description: string;
  readonly capabilities = { append: "native", putIfAbsent: true, durable: true, checksums: true } as const;
  readonly #root: DiskRoot;
  readonly #paths: KeyPaths;
  readonly #folders: DiskFolders;
  readonly #durable: boolean;
  readonly #logs = new Set<LogWriter>();
  /** The key that `exists` was asked for last, again and again while a job runs, and its file. */
  #askedKey: string | undefined;
  #askedPath = "";

  constructor(shownRoot: string, root: DiskRoot, durable: boolean) {
    this.description = `disk ${shownRoot}`;
    this.#root = root;
    this.#paths = keyPaths(root.path, root.foldsNames);
    this.#folders = new DiskFolders(root.path, durable);
    this.#durable = durable;
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const { fd, kind } = this.#open(key);
    try {
      const { start, end } = spanOf(options.range, kind.sizeBytes);
      const lengthBytes = end - start;
      const small = lengthBytes <= SMALL_BYTES;
      // Big objects get memory of their own: 8-byte aligned, and not kept alive by a neighbour.
      const bytes = small ? Buffer.allocUnsafe(lengthBytes) : Buffer.allocUnsafeSlow(lengthBytes);
      const got = small ? readFullSync(fd, bytes, start) : await readFull(fd, bytes, start, options.signal);
      if (got < lengthBytes) throw corrupt(key, this.description, `it ended after ${start + got} bytes`);
      if (lengthBytes === kind.sizeBytes) this.#checkCrc(key, kind, crcOf([bytes]));
      return bytes;
    } catch (error) {
      throw storeFailure(error, `read ${JSON.stringify(key)}`, key);
    } finally {
      fs.closeSync(fd);
    }
  }

  async *getStream(key: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    options.signal?.throwIfAborted();
    const { fd, kind } = this.#open(key);
    try {
      const { start, end } = spanOf(options.range, kind.sizeBytes);
      let crc = 0;
      for (let at = start; at < end; ) {
        const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - at));
        const got = await readFull(fd, piece, at, options.signal);
        if (got < piece.byteLength) throw corrupt(key, this.description, `it ended after ${at + got} bytes`);
        crc = crcOf([piece], crc);
        at += got;
        // The last piece is held back until the checksum of all is known to be right.
        if (at === end && end - start === kind.sizeBytes) this.#checkCrc(key, kind, crc);
        yield piece;
      }
    } catch (error) {
      throw storeFailure(error, `read ${JSON.stringify(key)}`, key);
    } finally {
      fs.closeSync(fd);
    }
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<{ created: boolean }> {
    checkKey(key);
    options.signal?.throwIfAborted();
    const target = this.#paths.pathOf(key);
    if (options.ifAbsent && this.exists(key)) return { created: false };
    const temp = tempPath(this.#root.tempFolder);
    let inPlace = false;
    try {
      await this.#write(temp, body, options.signal);
      const place = options.ifAbsent ? fs.linkSync : fs.renameSync;
      const created = this.#folders.place(
        key,
        target,
        () => place(temp, target),
        () => fs.existsSync(temp),
      );
      inPlace = created && !options.ifAbsent;
      if (created && this.#durable) await syncFolderAsync(path.dirname(target));
      return { created };
    } catch (error) {
      throw this.#writeFailure(error, key);
    } finally {
      if (!inPlace) discard(temp);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return this.#atFile(key, (file) => infoOf(key, file));
  }

  exists(key: string): boolean {
    if (this.#askedPath === "" || key !== this.#askedKey) {
      checkKey(key);
      this.#askedPath = this.#paths.pathOf(key);
      this.#askedKey = key;
    }
    // Mostly the answer is no, of which one quick system call is sure: nothing is there, by whatever way.
    if (!fs.existsSync(this.#askedPath)) return false;
    return this.#atFile(key, (file) => fs.lstatSync(file, { throwIfNoEntry: false })?.isFile()) ?? false;
  }

  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    return listDisk(this.#paths, prefix, options);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    const folders = new Set<string>();
    let count = 0;
    for (const key of keys) {
      const folder = this.#atFile(key, (file) => {
        const isFile = fs.lstatSync(file, { throwIfNoEntry: false })?.isFile();
        if (isFile) removeFile(file);
        return path.dirname(file);
      });
      if (folder !== undefined) folders.add(folder);
      count += 1;
      if (count % YIELD_AFTER_DELETES === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const folder of folders) this.#folders.prune(folder);
  }

  openLog(key: string): LogWriter {
    checkKey(key);
    const file = this.#paths.pathOf(key);
    let log: LogWriter | undefined;
    try {
      const open = () => {
        log = openDiskLog(key, file, this.#durable, () => this.#logs.delete(log!));
      };
      this.#folders.place(key, file, open, () => true);
      if (this.#durable) syncFolder(path.dirname(file));
    } catch (error) {
      throw this.#writeFailure(error, key);
    }
    if (log === undefined) throw logExists(key);
    this.#logs.add(log);
    return log;
  }

  localPath(key: string): string {
    checkKey(key);
    return this.#paths.pathOf(key);
  }

  /** Closes the logs that are still open. */
  async close(): Promise<void> {
    for (const log of [...this.#logs]) await log.close();
  }

  async #write(temp: string, body: PutBody, signal: AbortSignal | undefined): Promise<void> {
    const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
    const fd = fs.openSync(temp, O_CREAT | O_EXCL | O_WRONLY, OBJECT_MODE);
    try {
      const chunks = chunksInMemory(body);
      if (chunks !== undefined) {
        const sizeBytes = sizeOf(chunks);
        const withFooter = [...chunks, footerOf(crcOf(chunks), sizeBytes)];
        if (sizeBytes <= SMALL_BYTES) writeAllSync(fd, withFooter);
        else await writeAll(fd, withFooter, signal);
      } else {
        let crc = 0;
        let sizeBytes = 0;
        for await (const chunk of readBody(body as AsyncIterable<Uint8Array>)) {
          crc = crcOf([chunk], crc);
          sizeBytes += chunk.byteLength;
          await writeAll(fd, [chunk], signal);
        }
        writeAllSync(fd, [footerOf(crc, sizeBytes)]);
      }
      if (this.#durable) await fsync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Opens the object or log for reading, and only a plain file of the store itself. */
  #open(key: string): { fd: number; kind: FileKind } {
    checkKey(key);
    const file = this.#paths.pathOf(key);
    let fd: number | undefined;
    try {
      this.#folders.check(path.dirname(file), key);
      const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
      fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const stats = fs.fstatSync(fd);
      if (stats.isDirectory()) throw notFound(key, this.description);
      const kind = stats.isFile() ? identify(fd, stats) : "it is no plain file";
      if (typeof kind === "string") throw corrupt(key, this.description, kind);
      return { fd, kind };
    } catch (error) {
      if (fd !== undefined) fs.closeSync(fd);
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR") throw notFound(key, this.description);
      if (errno === "ELOOP") throw linked(file, key);
      throw storeFailure(error, `read ${JSON.stringify(key)}`, key);
    }
  }

  /** Looks at a key's file, or gives undefined where its folder isn't there. */
  #atFile<T>(key: string, look: (file: string) => T): T | undefined {
    checkKey(key);
    const file = this.#paths.pathOf(key);
    try {
      this.#folders.check(path.dirname(file), key);
      return look(file);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
      throw storeFailure(error, `look at ${JSON.stringify(key)}`, key);
    }
  }

  #checkCrc(key: string, kind: FileKind, crc: number): void {
    if (kind.crc === undefined || kind.crc === crc) return;
    throw corrupt(key, this.description, `its ${kind.sizeBytes} bytes don't match their checksum`);
  }

  #writeFailure(error: unknown, key: string): unknown {
    if (error instanceof BodyFailure) return error.cause;
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR") {
      return storeFailure(error, `write ${JSON.stringify(key)} to ${this.description}`, key);
    }
    // Nothing is looked up while writing, so what is not there was removed.
    const message = `can't write ${JSON.stringify(key)}: the folder of the store, ${this.description}, is being removed`;
    return new StoreError("STORE_UNAVAILABLE", message, { cause: error, details: { key } });
  }
}

/** The user's stream failed, which is no failure of the store whatever its code. */
class BodyFailure extends Error {}

async function* readBody(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new BodyFailure("the body's stream failed", { cause });
  }
}
