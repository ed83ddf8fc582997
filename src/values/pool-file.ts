import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { UsageError } from "../errors.ts";

/**
 * A file as an item: a small handle that travels instead of the bytes; they are read where the task runs.
 *
 * @example
 * await pool.map(async (file) => (await file.text()).length, pool.files("logs/*.txt"));
 */
export class PoolFile {
  /** Absolute path. */
  readonly path: string;

  constructor(absolutePath: string) {
    this.path = absolutePath;
  }

  /** `photo.jpg` */
  get name(): string {
    return path.basename(this.path);
  }

  /** The whole content. A Uint8Array, so that nothing depends on Node's Buffer pool. */
  async bytes(): Promise<Uint8Array> {
    return readFile(this.path);
  }

  /** The whole content as UTF-8. */
  async text(): Promise<string> {
    return readFile(this.path, "utf8");
  }

  /** The content in chunks, in bounded memory. */
  stream(): AsyncIterable<Uint8Array> {
    return createReadStream(this.path);
  }

  /** Line by line, without the line breaks (`\n`, `\r\n`), in bounded memory. */
  lines(): AsyncIterable<string> {
    return createInterface({ input: createReadStream(this.path), crlfDelay: Number.POSITIVE_INFINITY });
  }

  async sizeBytes(): Promise<number> {
    return (await stat(this.path)).size;
  }
}

/**
 * Files that match a glob, in order of their paths; looked for when the job draws its items.
 * @throws UsageError BAD_ARGUMENT (while drawing) if no file matches
 */
export class FileSet implements AsyncIterable<PoolFile> {
  readonly patterns: readonly string[];
  readonly folder: string;

  constructor(patterns: string | readonly string[], folder = process.cwd()) {
    this.patterns = typeof patterns === "string" ? [patterns] : patterns;
    this.folder = folder;
    if (this.patterns.length === 0 || this.patterns.some((p) => typeof p !== "string" || p === "")) {
      throw new UsageError("BAD_ARGUMENT", "files: the pattern is empty", {
        remedy: 'Pass a path or a glob: pool.files("photos/*.jpg").',
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PoolFile, void, undefined> {
    const { glob } = await import("tinyglobby");
    // A folder whose name matches (node_modules/highlight.js) is no file, nor are the files in it.
    const options = { cwd: this.folder, absolute: true, onlyFiles: true, expandDirectories: false };
    const found = await glob([...this.patterns], options);
    if (found.length === 0) {
      throw new UsageError(
        "BAD_ARGUMENT",
        `files: no file matches ${this.patterns.join(", ")} in ${this.folder}`,
        {
          remedy: "Check the pattern; it is taken relative to the current folder.",
        },
      );
    }
    for (const file of found.sort()) yield new PoolFile(path.normalize(file));
  }
}
