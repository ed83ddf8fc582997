import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { KingletError, UsageError } from "./errors.ts";
import { checkPoolOptions, type PoolOptions } from "./options.ts";
import { isStoreUrl } from "./storage/locate.ts";

/** Names that are looked for in the current folder and those above it. */
const CONFIG_FILES = ["kinglet.config.ts", "kinglet.config.mts", "kinglet.config.js", "kinglet.config.mjs"];

/**
 * Types a config file.
 *
 * @example
 * // kinglet.config.ts
 * export default defineConfig({ storage: "/scratch/me/kinglet", retries: 5 });
 */
export function defineConfig(options: PoolOptions): PoolOptions {
  return checkPoolOptions(options, "defineConfig");
}

/**
 * What a pool is opened with: options > environment > config file > defaults.
 * @throws UsageError naming the source of a bad value
 */
export function resolvePoolOptions(options: PoolOptions | undefined): PoolOptions {
  const given = checkPoolOptions(options, "openPool");
  return { ...readConfigFile(process.cwd()), ...readEnvironment(process.env), ...defined(given) };
}

const defined = (options: PoolOptions): PoolOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** KINGLET_COMPUTE, KINGLET_STORAGE, KINGLET_CONCURRENCY, KINGLET_TIMEOUT_MS, KINGLET_RETRIES, KINGLET_MEMORY_MB, KINGLET_DURABILITY. */
function readEnvironment(env: NodeJS.ProcessEnv): PoolOptions {
  const found: Record<string, unknown> = {};
  const numbers = {
    concurrency: "CONCURRENCY",
    timeoutMs: "TIMEOUT_MS",
    retries: "RETRIES",
    memoryMb: "MEMORY_MB",
  };
  const words = { compute: "COMPUTE", storage: "STORAGE", durability: "DURABILITY" };
  for (const [option, suffix] of Object.entries(words)) {
    const value = env[`KINGLET_${suffix}`];
    if (value) found[option] = value;
  }
  for (const [option, suffix] of Object.entries(numbers)) {
    const value = env[`KINGLET_${suffix}`];
    if (value) found[option] = Number(value);
  }
  return checkPoolOptions(found, "environment (KINGLET_…)");
}

const loaded = new Map<string, PoolOptions>();

function readConfigFile(from: string): PoolOptions {
  const file = findConfigFile(from);
  if (!file) return {};
  const known = loaded.get(file);
  if (known) return known;
  let module: { default?: unknown };
  try {
    // require() of an ES module is synchronous, as openPool is (Node ≥ 22.12).
    module = createRequire(import.meta.url)(file) as { default?: unknown };
  } catch (cause) {
    if (cause instanceof KingletError) throw cause;
    throw new UsageError("BAD_CONFIG", `${file} can't be loaded: ${(cause as Error).message}`, {
      cause,
      remedy: "Mend the file, or remove it. It must not use top-level await.",
      details: { path: file },
    });
  }
  if (typeof module.default !== "object" || module.default === null) {
    throw new UsageError("BAD_CONFIG", `${file} has no default export of options`, {
      remedy: 'Write: import { defineConfig } from "kinglet"; export default defineConfig({ … });',
      details: { path: file },
    });
  }
  const given = checkPoolOptions({ ...module.default }, file);
  // A relative folder means the same store from wherever below the script is started.
  const { storage } = given;
  const options =
    storage === undefined || isStoreUrl(storage)
      ? given
      : { ...given, storage: path.resolve(path.dirname(file), storage) };
  loaded.set(file, options);
  return options;
}

function findConfigFile(from: string): string | undefined {
  for (let folder = from; ; folder = path.dirname(folder)) {
    for (const name of CONFIG_FILES) {
      const file = path.join(folder, name);
      if (existsSync(file)) return file;
    }
    // A package's own folder is as far as its configuration reaches.
    if (existsSync(path.join(folder, "package.json")) || folder === path.dirname(folder)) return undefined;
  }
}
