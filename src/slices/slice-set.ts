import { refuseElsewhere } from "./elsewhere.ts";
import { type CutRule, cutRuleOf, type SliceOptions } from "./options.ts";
import { checkPatterns, isAddress, type PatternHome, refuseMissing } from "./patterns.ts";
import type { PoolSlice } from "./pool-slice.ts";
import type { FileUploader, SliceSource } from "./source.ts";

/**
 * The slices of the files and objects that match, in order of their paths; looked for when the job draws its items.
 * @throws UsageError BAD_ARGUMENT at once for a file that isn't there; while drawing if nothing matches a glob
 */
export class SliceSet implements AsyncIterable<PoolSlice> {
  readonly patterns: readonly string[];
  readonly rule: CutRule;
  readonly home: PatternHome;
  /** Where workers don't see local files. */
  readonly #uploads: FileUploader | undefined;

  constructor(patterns: readonly string[], rule: CutRule, home: PatternHome, uploads?: FileUploader) {
    this.patterns = patterns;
    this.rule = rule;
    this.home = home;
    this.#uploads = uploads;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PoolSlice, void, undefined> {
    const [{ findSources }, { slicesOf }] = await Promise.all([
      import("./find-sources.ts"),
      import("./slices-of.ts"),
    ]);
    const files = this.patterns.filter((pattern) => !isAddress(pattern));
    if (files.length > 0) refuseElsewhere("slices", files);
    for await (const source of this.#readable(findSources(this.patterns, this.home))) {
      yield* slicesOf(source, this.rule);
    }
  }

  async *#readable(sources: AsyncIterable<SliceSource>): AsyncGenerator<SliceSource, void, undefined> {
    const uploads = this.#uploads;
    if (!uploads) {
      yield* sources;
      return;
    }
    const { loadedAhead } = await import("./uploads.ts");
    const upload = async (source: SliceSource) => ("store" in source ? source : uploads.upload(source.path));
    yield* loadedAhead(sources, upload, UPLOADED_AHEAD);
  }
}

/** Big files that are uploaded at a time. */
const UPLOADED_AHEAD = 2;

/** @throws UsageError BAD_ARGUMENT, BAD_OPTION, UNKNOWN_OPTION at once */
export function sliceSet(
  patterns: unknown,
  options: SliceOptions | undefined,
  home: PatternHome,
  uploads?: FileUploader,
): SliceSet {
  const list = checkPatterns("slices", patterns);
  for (const one of list) refuseMissing(one, home);
  return new SliceSet(list, cutRuleOf(options), home, uploads);
}
