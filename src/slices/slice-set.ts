import { type CutRule, cutRuleOf, type SliceOptions } from "./options.ts";
import { checkPatterns, type PatternHome, refuseMissing } from "./patterns.ts";
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
export function sliceSet(patterns: unknown, options: SliceOptions | undefined, home: PatternHome): SliceSet {
  const list = checkPatterns("slices", patterns);
  for (const one of list) refuseMissing(one, home);
  return new SliceSet(list, cutRuleOf(options), home);
}
