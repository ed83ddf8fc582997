import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { StoreError } from "../errors.ts";
import { CODE, codeKey } from "./keys.ts";

/**
 * A code package: the modules that tasks import, for workers that don't see the driver's files (FORMAT.md, "Code
 * packages"). Every name in it is a path relative to one folder, the *root*, so that the same code has the same bytes
 * wherever it lies; where the root is on the driver is said by who refers to the package.
 */
export interface CodePackage {
  readonly format: 1;
  /** Folder that tasks run in, relative to the root; "" for the root itself. */
  readonly workingFolder: string;
  /** In order of their names. */
  readonly modules: readonly PackedModule[];
  /** What scripts that aren't modules of the package import: their name → what they wrote → module. */
  readonly importers: Readonly<Record<string, ImportTable>>;
  /** Files that lie on the worker's disk, in order of their folders. */
  readonly archives: readonly PackedArchive[];
  /** Links between folders on that disk: name of the link → folder. */
  readonly links: Readonly<Record<string, string>>;
}

/** `import ./a.ts`, `require lodash`: how, and what was written → name of the module. */
export type ImportTable = Readonly<Record<string, string>>;
export type ImportWay = "import" | "require";
export const importEntry = (way: ImportWay, specifier: string): string => `${way} ${specifier}`;

export interface PackedModule {
  readonly name: string;
  readonly format: "module" | "commonjs" | "json";
  /** JavaScript or JSON, ready to run. */
  readonly source: string;
  readonly imports: ImportTable;
  /** The source was compiled, and ends with a source map that leads to the user's lines. */
  readonly mapped?: true;
}

/** A gzipped tar. */
export interface PackedArchive {
  /** SHA-256 of the tar, hex. */
  readonly hash: string;
  /** The folder that its names are relative to, itself relative to the root; "" for the root. */
  readonly at: string;
  readonly sizeBytes: number;
  /** What it holds, for messages: `sharp@0.35.5`, `2 files`. */
  readonly what: string;
}

export const EMPTY_PACKAGE: CodePackage = {
  format: 1,
  workingFolder: "",
  modules: [],
  importers: {},
  archives: [],
  links: {},
};

export interface PackedCode {
  /** SHA-256 of the package's text, before it is compressed. */
  readonly hash: string;
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;

/** Lays a package out as bytes: a line of JSON that names the archives, then the package's JSON, gzipped. */
export function packCode(code: CodePackage): PackedCode {
  const text = Buffer.from(JSON.stringify(code));
  const hash = createHash("sha256").update(text).digest("hex");
  const head = JSON.stringify({
    format: code.format,
    archives: code.archives.map((archive) => archive.hash),
  });
  return { hash, bytes: Buffer.concat([Buffer.from(`${head}\n`), gzipSync(text)]) };
}

/**
 * Reads what `packCode` wrote.
 * @throws StoreError STORE_VERSION if a newer Kinglet wrote it, STORE_CORRUPT if it isn't what `hash` names
 */
export function unpackCode(bytes: Uint8Array, hash: string): CodePackage {
  let problem = "it can't be read";
  try {
    const lineEnd = bytes.indexOf(NEWLINE);
    const { format } = JSON.parse(Buffer.from(bytes.subarray(0, lineEnd)).toString()) as { format: number };
    if (format > 1) throw newerCode(hash, format);
    const text = gunzipSync(bytes.subarray(lineEnd + 1));
    const actual = createHash("sha256").update(text).digest("hex");
    if (actual === hash) return JSON.parse(text.toString()) as CodePackage;
    problem = `its text has the hash ${actual}`;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    problem = (error as Error).message;
  }
  throw new StoreError("STORE_CORRUPT", `the code package ${codeKey(hash)} is damaged: ${problem}`, {
    remedy: "Delete that object and run the script again: the code is packaged anew.",
    details: { key: codeKey(hash) },
  });
}

const newerCode = (hash: string, format: number): StoreError =>
  new StoreError(
    "STORE_VERSION",
    `the code package ${codeKey(hash)} has format ${format}; this Kinglet reads 1`,
    {
      remedy: "Update Kinglet on the workers to the version that wrote it.",
      details: { key: codeKey(hash) },
    },
  );

/** `Invocation.code`: `code/<hash>#<URL of the root on the driver, ending in />`. */
export const codeReference = (hash: string, rootUrl: string): string => `${codeKey(hash)}#${rootUrl}`;

export function parseCodeReference(reference: string): { readonly hash: string; readonly rootUrl: string } {
  const at = reference.indexOf("#");
  return { hash: reference.slice(CODE.length, at), rootUrl: reference.slice(at + 1) };
}
