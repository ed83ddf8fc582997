import { stat } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "../errors.ts";
import { isAddress, type SliceHome } from "./patterns.ts";
import type { FileSource, SliceSource } from "./source.ts";

/** The files, then the objects that match, in order of their paths. @throws UsageError BAD_ARGUMENT if nothing does */
export async function* findSources(
  patterns: readonly string[],
  home: SliceHome,
): AsyncGenerator<SliceSource, void, undefined> {
  const files = patterns.filter((pattern) => !isAddress(pattern));
  if (files.length > 0) yield* findFiles(files, home);
}

async function* findFiles(patterns: readonly string[], { folder }: SliceHome): AsyncGenerator<FileSource> {
  const { glob } = await import("tinyglobby");
  const options = { cwd: folder, absolute: true, onlyFiles: true, expandDirectories: false };
  const found = await glob([...patterns], options);
  if (found.length === 0) throw noMatch(patterns, folder);
  for (const file of found.sort()) {
    const absolute = path.normalize(file);
    const { size, mtimeMs } = await stat(absolute);
    yield { path: absolute, sizeBytes: size, modifiedMs: mtimeMs };
  }
}

const noMatch = (patterns: readonly string[], where: string): UsageError =>
  new UsageError("BAD_ARGUMENT", `slices: nothing matches ${patterns.join(", ")} in ${where}`, {
    remedy: "Check the pattern; it is taken relative to the current folder.",
  });
