import { existsSync } from "node:fs";
import path from "node:path";
import { UsageError } from "../errors.ts";
import { show } from "../options.ts";
import type { StoreLocation } from "../storage/locate.ts";

/** Where patterns are looked for; plain JSON. */
export interface PatternHome {
  /** What relative paths are relative to. */
  readonly folder: string;
  /** Where buckets are, unless that is the environment's business: that of the pool's own store. */
  readonly server?: { readonly endpoint?: string; readonly region?: string; readonly pathStyle?: boolean };
}

/** Where a pool looks: relative to the current folder, and at the server of its own store where that is S3. */
export function homeOf(location: StoreLocation): PatternHome {
  const folder = process.cwd();
  if (location.kind !== "s3") return { folder };
  const { kind: _kind, bucket: _bucket, prefix: _prefix, ...server } = location;
  return { folder, server };
}

/** What a glob is made of; a path without it names one file. */
export const MAGIC = /[*?[\]{}()!+@\\]/;

/** Whether a pattern names objects in place of files. */
export const isAddress = (pattern: string): boolean => /^!?[a-z][a-z0-9+.-]+:\/\//i.test(pattern);

/**
 * Patterns as a list, of which one is wanted at least.
 * @throws UsageError BAD_ARGUMENT
 */
export function checkPatterns(call: "files" | "slices", patterns: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(patterns) ? patterns : [patterns];
  const isText = (one: unknown): one is string => typeof one === "string" && one !== "";
  if (!list.every(isText) || list.every((one) => one.startsWith("!"))) {
    throw new UsageError("BAD_ARGUMENT", `${call}: ${show(patterns)} is no pattern, nor a list of them`, {
      remedy: `Pass a path, a glob or an s3:// address: pool.${call}("logs/*.csv").`,
    });
  }
  for (const one of list) if (isAddress(one)) parseAddress(call, one.replace(/^!/, ""));
  return list;
}

/** @throws UsageError BAD_ARGUMENT for a path without a glob where no file is */
export function refuseMissing(pattern: string, { folder }: PatternHome): void {
  if (MAGIC.test(pattern) || isAddress(pattern) || existsSync(path.resolve(folder, pattern))) return;
  throw new UsageError("BAD_ARGUMENT", `slices: there is no file ${pattern}`, {
    remedy: `It was looked for in ${folder}.`,
  });
}

interface Address {
  readonly bucket: string;
  /** A key, or a glob of keys. */
  readonly pattern: string;
}

/** @throws UsageError BAD_ARGUMENT */
export function parseAddress(call: string, address: string): Address {
  const [, bucket, pattern] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(address) ?? [];
  if (bucket && pattern) return { bucket, pattern };
  throw new UsageError("BAD_ARGUMENT", `${call}: ${address} names no objects`, {
    remedy: "Write s3://bucket/key, or with a glob: s3://bucket/logs/*.csv",
  });
}
