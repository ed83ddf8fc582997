import { existsSync } from "node:fs";
import path from "node:path";
import { UsageError } from "../errors.ts";

/** Where patterns are looked for; plain JSON. */
export interface PatternHome {
  /** What relative paths are relative to. */
  readonly folder: string;
  /** Where buckets are, unless that is the environment's business: that of the pool's own store. */
  readonly server?: { readonly endpoint?: string; readonly region?: string; readonly pathStyle?: boolean };
}

/** What a glob is made of; a path without it names one file. */
export const MAGIC = /[*?[\]{}()!+@\\]/;

/** @throws UsageError BAD_ARGUMENT for a path without a glob where no file is */
export function refuseMissing(pattern: string, { folder }: PatternHome): void {
  if (MAGIC.test(pattern) || isAddress(pattern) || existsSync(path.resolve(folder, pattern))) return;
  throw new UsageError("BAD_ARGUMENT", `slices: there is no file ${pattern}`, {
    remedy: `It was looked for in ${folder}.`,
  });
}

/** Whether a pattern names objects in place of files. */
export const isAddress = (pattern: string): boolean => /^!?[a-z][a-z0-9+.-]+:\/\//i.test(pattern);
