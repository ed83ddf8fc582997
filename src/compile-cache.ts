import module from "node:module";
import { homedir } from "node:os";
import path from "node:path";

/**
 * Turns on Node's cache of compiled code for the modules that load from here on: SDKs of stores, what functions import.
 * It lies in the user's own home, since who writes to it decides what runs. NODE_DISABLE_COMPILE_CACHE=1 turns it off, and
 * NODE_COMPILE_CACHE goes before it.
 */
export function cacheCompiledCode(): void {
  try {
    module.enableCompileCache?.(path.join(homedir(), ".cache", "kinglet", "code"));
  } catch {
    // no home: no cache
  }
}

/** Keeps what was compiled up to here: a worker is killed in the end, and Node would keep it at a clean exit only. */
export function keepCompiledCode(): void {
  module.flushCompileCache?.();
}
