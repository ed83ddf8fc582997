import { stat } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "../errors.ts";
import { parseStoreLocation, storeAt } from "../storage/locate.ts";
import { matchObjects } from "./match-objects.ts";
import { isAddress, type PatternHome } from "./patterns.ts";
import type { ObjectSource, SliceSource } from "./source.ts";

type Call = "files" | "slices";

/** The files, then the objects that match, in order of their paths. @throws UsageError BAD_ARGUMENT if nothing does */
export async function* findSources(
  patterns: readonly string[],
  home: PatternHome,
): AsyncGenerator<SliceSource, void, undefined> {
  const addresses = patterns.filter(isAddress);
  if (addresses.length < patterns.length) {
    const files = patterns.filter((pattern) => !isAddress(pattern));
    for (const file of await findFiles("slices", files, home)) {
      const { size, mtimeMs } = await stat(file);
      yield { path: file, sizeBytes: size, modifiedMs: mtimeMs };
    }
  }
  if (addresses.length > 0) yield* findObjects("slices", addresses, home);
}

/** Absolute paths of files. @param call for messages @throws UsageError BAD_ARGUMENT if nothing matches */
export async function findFiles(
  call: Call,
  patterns: readonly string[],
  { folder }: PatternHome,
): Promise<string[]> {
  const { glob } = await import("tinyglobby");
  // A folder whose name matches (node_modules/highlight.js) is no file, nor are the files in it.
  const options = { cwd: folder, absolute: true, onlyFiles: true, expandDirectories: false };
  const found = await glob([...patterns], options);
  if (found.length > 0) return found.map((file) => path.normalize(file)).sort();
  throw new UsageError("BAD_ARGUMENT", `${call}: no file matches ${patterns.join(", ")} in ${folder}`, {
    remedy: "Check the pattern; it is taken relative to the current folder.",
  });
}

/** Objects of buckets. @param call for messages @throws UsageError BAD_ARGUMENT if a pattern matches nothing; StoreError */
export function findObjects(
  call: Call,
  addresses: readonly string[],
  { server }: PatternHome,
): AsyncGenerator<ObjectSource, void, undefined> {
  return matchObjects(call, addresses, async (bucket) => {
    // The environment's server and region are looked up here, so that workers elsewhere use the same.
    const location = { ...parseStoreLocation(`s3://${bucket}`), ...server };
    return { location, store: await storeAt(location) };
  });
}
