import { UsageError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { StoreLocation } from "../storage/locate.ts";
import { MAGIC, parseAddress } from "./patterns.ts";
import type { ObjectSource } from "./source.ts";

export interface Bucket {
  readonly location: StoreLocation;
  readonly store: ObjectStore;
}

/**
 * The objects that match, in order of their keys, bucket by bucket; each once. Lists what begins like the pattern up to
 * its first wildcard, and no more.
 *
 * @param call for messages
 * @param addresses `s3://bucket/glob`; those that begin with `!` leave objects of their bucket out
 * @throws UsageError BAD_ARGUMENT if a pattern matches nothing; StoreError
 */
export async function* matchObjects(
  call: "files" | "slices",
  addresses: readonly string[],
  openBucket: (name: string) => Promise<Bucket>,
): AsyncGenerator<ObjectSource, void, undefined> {
  const { default: picomatch } = await import("picomatch");
  const excluded = addresses
    .filter((one) => one.startsWith("!"))
    .map((one) => parseAddress(call, one.slice(1)));
  const wanted = addresses.filter((one) => !one.startsWith("!")).map((one) => parseAddress(call, one));
  for (const [number, { bucket, pattern }] of wanted.entries()) {
    const ignore = excluded.filter((one) => one.bucket === bucket).map((one) => one.pattern);
    const matches = picomatch(pattern, { posix: true, ignore });
    // What an earlier pattern has given already.
    const earlier = wanted.slice(0, number).filter((one) => one.bucket === bucket);
    const isKnown = earlier.map((one) => picomatch(one.pattern, { posix: true, ignore }));
    const { store, location } = await openBucket(bucket);
    let found = 0;
    for await (const object of store.list(literalStart(pattern))) {
      const { key } = object;
      if (!matches(key)) continue;
      found++;
      if (!isKnown.some((known) => known(key))) {
        yield { ...object, path: `s3://${bucket}/${key}`, store: location };
      }
    }
    if (found === 0) throw noMatch(call, bucket, pattern);
  }
}

/** The longest text that all matching keys begin with. */
function literalStart(pattern: string): string {
  const at = pattern.search(MAGIC);
  return at < 0 ? pattern : pattern.slice(0, at);
}

function noMatch(call: string, bucket: string, pattern: string): UsageError {
  return new UsageError("BAD_ARGUMENT", `${call}: no object matches s3://${bucket}/${pattern}`, {
    remedy: MAGIC.test(pattern)
      ? "Check the pattern."
      : `For a folder: s3://${bucket}/${pattern.replace(/\/$/, "")}/**`,
  });
}
