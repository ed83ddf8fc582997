import { UsageError } from "../errors.ts";
import { show } from "../options.ts";
import { type CutRule, cutRuleOf, type SliceOptions } from "./options.ts";
import { type PatternHome, refuseMissing } from "./patterns.ts";
import type { PoolSlice } from "./pool-slice.ts";

/**
 * The slices of the files and objects that match, in order of their paths; looked for when the job draws its items.
 * @throws UsageError BAD_ARGUMENT at once for a file that isn't there; while drawing if nothing matches a glob
 */
export class SliceSet implements AsyncIterable<PoolSlice> {
  readonly patterns: readonly string[];
  readonly rule: CutRule;
  readonly home: PatternHome;

  constructor(patterns: readonly string[], rule: CutRule, home: PatternHome) {
    this.patterns = patterns;
    this.rule = rule;
    this.home = home;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PoolSlice, void, undefined> {
    const [{ findSources }, { slicesOf }] = await Promise.all([
      import("./find-sources.ts"),
      import("./slices-of.ts"),
    ]);
    for await (const source of findSources(this.patterns, this.home)) yield* slicesOf(source, this.rule);
  }
}

/** @throws UsageError BAD_ARGUMENT, BAD_OPTION, UNKNOWN_OPTION at once */
export function sliceSet(
  patterns: unknown,
  options: SliceOptions | undefined,
  home: PatternHome = { folder: process.cwd() },
): SliceSet {
  const list: unknown[] = Array.isArray(patterns) ? patterns : [patterns];
  if (list.length === 0 || !list.every((one): one is string => typeof one === "string" && one !== "")) {
    throw new UsageError("BAD_ARGUMENT", `slices: ${show(patterns)} is no pattern, nor a list of them`, {
      remedy: 'Pass a path, a glob or an s3:// address: pool.slices("logs/*.csv").',
    });
  }
  for (const one of list) refuseMissing(one, home);
  return new SliceSet(list, cutRuleOf(options), home);
}
