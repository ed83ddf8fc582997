import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { asBuffer } from "../slices/boundary.ts";
import { refuseElsewhere } from "../slices/elsewhere.ts";
import { flattened } from "../slices/flattened.ts";
import { checkPatterns, isAddress, type PatternHome } from "../slices/patterns.ts";
import type { FileUploader, ObjectSource } from "../slices/source.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { storeAt } from "../storage/locate.ts";

/** Files that are uploaded at a time: small ones take a request's time each. */
const UPLOADED_AHEAD = 8;

/** What travels: a path, or what is needed to find the object. */
export let fileFacts: (file: PoolFile) => string | ObjectSource;

/**
 * A file, or an object of a bucket, as an item: a small handle that travels instead of the bytes; they are read where
 * the task runs.
 *
 * @example
 * await pool.map(async (file) => (await file.text()).length, pool.files("logs/*.txt"));
 */
export class PoolFile {
  /** Absolute path, or `s3://bucket/key`. */
  readonly path: string;
  readonly #object: ObjectSource | undefined;

  constructor(absolutePath: string, object?: ObjectSource) {
    this.path = absolutePath;
    this.#object = object;
  }

  /** `photo.jpg` */
  get name(): string {
    return this.#object ? path.posix.basename(this.path) : path.basename(this.path);
  }

  /** The whole content. A Uint8Array, so that nothing depends on Node's Buffer pool. */
  async bytes(): Promise<Uint8Array> {
    const object = this.#object;
    return object ? (await storeOf(object)).get(object.key) : readFile(this.path);
  }

  /** The whole content as UTF-8. */
  async text(): Promise<string> {
    if (!this.#object) return readFile(this.path, "utf8");
    return asBuffer(await this.bytes()).toString("utf8");
  }

  /** The content in chunks, in bounded memory. */
  stream(): AsyncIterable<Uint8Array> {
    return this.#object ? chunksOf(this.#object) : createReadStream(this.path);
  }

  /** Line by line, without the line breaks (`\n`, `\r\n`), in bounded memory. */
  lines(): AsyncIterable<string> {
    return flattened(linesOf(this.stream()));
  }

  async sizeBytes(): Promise<number> {
    const object = this.#object;
    if (!object) return (await stat(this.path)).size;
    return (await (await storeOf(object)).head(object.key))?.sizeBytes ?? object.sizeBytes;
  }

  static {
    fileFacts = (file) => file.#object ?? file.path;
  }
}

export const fileOf = (facts: string | ObjectSource): PoolFile =>
  typeof facts === "string" ? new PoolFile(facts) : new PoolFile(facts.path, facts);

const storeOf = ({ store }: ObjectSource): Promise<ObjectStore> => storeAt(store);

async function* chunksOf(object: ObjectSource): AsyncGenerator<Uint8Array, void, undefined> {
  yield* (await storeOf(object)).getStream(object.key);
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[], void, undefined> {
  const { splitLines } = await import("../slices/split.ts");
  yield* splitLines(chunks);
}

/**
 * Files that match a glob, in order of their paths, then objects; looked for when the job draws its items.
 * @throws UsageError BAD_ARGUMENT at once for what is no pattern; while drawing if no file matches
 */
export class FileSet implements AsyncIterable<PoolFile> {
  readonly patterns: readonly string[];
  readonly home: PatternHome;
  /** Where workers don't see local files. */
  readonly #uploads: FileUploader | undefined;

  constructor(patterns: string | readonly string[], home: PatternHome, uploads?: FileUploader) {
    this.patterns = checkPatterns("files", patterns);
    this.home = home;
    this.#uploads = uploads;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PoolFile, void, undefined> {
    const addresses = this.patterns.filter(isAddress);
    const { findFiles, findObjects } = await import("../slices/find-sources.ts");
    if (addresses.length < this.patterns.length) {
      const patterns = this.patterns.filter((pattern) => !isAddress(pattern));
      refuseElsewhere("files", patterns);
      const files = await findFiles("files", patterns, this.home);
      const uploads = this.#uploads;
      if (!uploads) for (const file of files) yield new PoolFile(file);
      else {
        const { loadedAhead } = await import("../slices/uploads.ts");
        const upload = async (file: string) => new PoolFile(file, await uploads.upload(file));
        yield* loadedAhead(files, upload, UPLOADED_AHEAD);
      }
    }
    if (addresses.length === 0) return;
    for await (const object of findObjects("files", addresses, this.home)) {
      yield new PoolFile(object.path, object);
    }
  }
}
