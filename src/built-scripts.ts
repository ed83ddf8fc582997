import fs from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { crc32 } from "node:zlib";

/**
 * The big parts of the built package are scripts (scripts/script-chunks.ts makes them), which are compiled once for all
 * processes: V8 gets back what it compiled in an earlier one. Node's own compile cache holds a file as it is before it
 * runs, without the functions in it, which V8 compiles when they are called first: 15 ms until a first result.
 */

/** A script whose compiled code isn't in the cache yet. */
interface Fresh {
  readonly script: vm.Script;
  readonly cacheFile: string;
}

const CHECKSUM_BYTES = 4;
const folder = path.dirname(fileURLToPath(import.meta.url));
const loaded = new Map<string, object>();
let fresh: Fresh[] = [];
let isKeptSoon = false;

/** What scripts get of their surroundings. */
const surroundings = {
  loadScript,
  keepCompiledScripts,
  keepCompiledScriptsSoon,
  meta: import.meta,
  importModule: (specifier: string, options?: ImportCallOptions) => import(specifier, options),
};

/** Exports of the built package's script of that name; it is run at the first call. */
export function loadScript(name: string): object {
  let exports = loaded.get(name);
  if (!exports) {
    exports = compile(path.join(folder, `${name}.script.js`))(surroundings);
    loaded.set(name, exports);
  }
  return exports;
}

/** Keeps the code that was compiled up to here; to be called after what is to be quick next time. */
export function keepCompiledScripts(): void {
  const unkept = fresh;
  fresh = [];
  for (const one of unkept) {
    try {
      keep(one);
    } catch {
      // nowhere to keep it: the next process compiles it again
    }
  }
}

/** The same, when the process has done what it is about, or ends. */
export function keepCompiledScriptsSoon(): void {
  if (isKeptSoon || fresh.length === 0) return;
  isKeptSoon = true;
  setTimeout(keepCompiledScripts, 500).unref();
  process.once("exit", keepCompiledScripts);
}

type Code = (around: typeof surroundings) => object;

function compile(file: string): Code {
  // The build leaves no character above ASCII in it.
  const source = fs.readFileSync(file, "latin1");
  const cacheFile = cacheFileOf(file, source);
  const cachedData = cacheFile === undefined ? undefined : keptBytes(cacheFile);
  const script = new vm.Script(source, {
    filename: new URL(path.basename(file), import.meta.url).href,
    ...(cachedData ? { cachedData } : {}),
  });
  if (cacheFile !== undefined && script.cachedDataRejected !== false) fresh.push({ script, cacheFile });
  return script.runInThisContext() as Code;
}

/**
 * In the user's own home, since who writes to it decides what runs; with what the script's text is, and what V8 depends
 * on, in its name. As with Node's own cache NODE_DISABLE_COMPILE_CACHE turns it off and NODE_COMPILE_CACHE says where.
 */
function cacheFileOf(file: string, source: string): string | undefined {
  const { NODE_DISABLE_COMPILE_CACHE, NODE_COMPILE_CACHE, NODE_V8_COVERAGE, NODE_OPTIONS } = process.env;
  if (NODE_DISABLE_COMPILE_CACHE || NODE_V8_COVERAGE) return undefined;
  const hash = /^\/\*(\w+)\*\//.exec(source)?.[1];
  if (hash === undefined) return undefined;
  try {
    const root = NODE_COMPILE_CACHE || path.join(homedir(), ".cache", "kinglet", "code");
    const options = [...process.execArgv, NODE_OPTIONS ?? ""].join(" ").replace(/[^\w=-]+/g, "_");
    const node = `${process.version}-${process.arch}${options.slice(-100)}`;
    return path.join(root, node, `${path.basename(file, ".script.js")}-${hash}`);
  } catch {
    return undefined; // no home
  }
}

/** What `keep` wrote, if it is whole and nobody else can have written it: V8 itself would crash on damaged code. */
function keptBytes(file: string): Buffer | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(file, "r");
    const { uid, mode, size } = fs.fstatSync(descriptor);
    if (process.getuid && (uid !== process.getuid() || (mode & 0o022) !== 0)) return undefined;
    const bytes = Buffer.allocUnsafeSlow(size);
    if (fs.readSync(descriptor, bytes) !== size) return undefined;
    const code = bytes.subarray(0, -CHECKSUM_BYTES);
    return bytes.readUInt32LE(code.length) === crc32(code) ? code : undefined;
  } catch {
    return undefined; // not there, or too short
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** Whole or not at all, also when several processes do it and when power fails. */
function keep({ script, cacheFile }: Fresh): void {
  const code = script.createCachedData();
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(code));
  const unfinished = `${cacheFile}.${process.pid}`;
  fs.mkdirSync(path.dirname(cacheFile), { recursive: true, mode: 0o700 });
  fs.rmSync(unfinished, { force: true });
  try {
    fs.writeFileSync(unfinished, Buffer.concat([code, checksum]), { flag: "wx", mode: 0o600, flush: true });
    fs.renameSync(unfinished, cacheFile);
  } catch (error) {
    fs.rmSync(unfinished, { force: true });
    throw error;
  }
}
