import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyPaths } from "../../src/storage/disk-paths.ts";
import { checkKey } from "../../src/storage/keys.ts";

/** Characters and pieces that a mapping of names may stumble over. */
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 6 }) },
  fc.constantFrom(
    "%",
    "%2",
    "%2F",
    "%25",
    "%+",
    ".",
    "..",
    "~",
    "A",
    "é",
    "kinglet-store.json",
    "\u{1f600}",
    "x".repeat(120),
  ),
);
const segment = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
const key = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join("/"))
  .filter((candidate) => {
    try {
      checkKey(candidate);
      return true;
    } catch {
      return false;
    }
  });

describe.each([
  ["exact", false],
  ["folded to one case", true],
])("names of files, where the file system takes names %s", (_what, foldsNames) => {
  const paths = keyPaths(path.resolve("/root"), foldsNames);
  const namesOf = (k: string): string[] => path.relative("/root", paths.pathOf(k)).split(path.sep);

  it("stay below the root, and can be names", () => {
    fc.assert(
      fc.property(key, (k) => {
        for (const name of namesOf(k)) {
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
          expect(name).not.toMatch(/^\.|\0|\//);
          expect(name).not.toBe("");
        }
        expect(namesOf(k)[0]).not.toMatch(/^%tmp$|^kinglet-store\.json$/);
      }),
      { numRuns: 1000 },
    );
  });

  it("differ for different keys", () => {
    const seen = (k: string) =>
      foldsNames ? paths.pathOf(k).toLowerCase().normalize("NFC") : paths.pathOf(k);
    fc.assert(
      fc.property(key, key, (one, other) => {
        expect(seen(one) === seen(other)).toBe(one === other);
      }),
      { numRuns: 1000 },
    );
    expect(seen("a")).not.toBe(seen("A") === seen("a") ? "" : seen("A"));
    expect(seen("caf\u00e9")).not.toBe(seen("cafe\u0301"));
  });

  it("give the key's segments back", () => {
    fc.assert(
      fc.property(key, (k) => {
        const joined = namesOf(k)
          .join("/")
          .replaceAll("%+/", "")
          .split("/")
          .map((name) => paths.segmentOf(name));
        expect(joined.join("/")).toBe(k);
      }),
      { numRuns: 1000 },
    );
  });

  it.each(["%tmp", "%zz", "a%", "%41%", "%61", ".nfs0001", "a%2e"])(
    "%j is the name of no segment",
    (name) => {
      expect(paths.segmentOf(name)).toBeUndefined();
    },
  );
});
