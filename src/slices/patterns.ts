import { existsSync } from "node:fs";
import path from "node:path";
import { UsageError } from "../errors.ts";

/** Where the patterns of a SliceSet are looked for. */
export interface SliceHome {
  /** What relative paths are relative to. */
  readonly folder: string;
}

/** What a glob is made of; a path without it names one file. */
const MAGIC = /[*?[\]{}()!+@\\]/;

/** @throws UsageError BAD_ARGUMENT for a path without a glob where no file is */
export function refuseMissing(pattern: string, { folder }: SliceHome): void {
  if (MAGIC.test(pattern) || isAddress(pattern) || existsSync(path.resolve(folder, pattern))) return;
  throw new UsageError("BAD_ARGUMENT", `slices: there is no file ${pattern}`, {
    remedy: `It was looked for in ${folder}.`,
  });
}

/** Whether a pattern names objects in place of files. */
export const isAddress = (pattern: string): boolean => /^!?[a-z][a-z0-9+.-]+:\/\//i.test(pattern);
