import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStoreLocation, showStoreLocation } from "../../src/storage/locate.ts";
import { keyOfMember, memberOf, RedisNames } from "../../src/storage/redis/names.ts";
import { thrown } from "../support/pools.ts";

describe("the URL of a store in Redis", () => {
  it.each([
    ["redis://host", { url: "redis://host:6379/0", prefix: "kinglet" }],
    ["redis://host:7/3?prefix=mine", { url: "redis://host:7/3", prefix: "mine" }],
    ["rediss://me@host", { url: "rediss://me@host:6379/0", prefix: "kinglet" }],
    ["redis://[::1]:7", { url: "redis://[::1]:7/0", prefix: "kinglet" }],
    ["redis+cluster://a:1,b", { url: "redis://a:1,b:6379", prefix: "kinglet", cluster: true }],
    ["rediss+cluster://a?prefix=x", { url: "rediss://a:6379", prefix: "x", cluster: true }],
  ])("%s is understood", (text, expected) => {
    expect(parseStoreLocation(text)).toEqual({ kind: "redis", ...expected });
  });

  it.each([
    ["redis://", "names no host"],
    ["redis://a,b", "several hosts"],
    ["redis://host:0", "no host and port"],
    ["redis://host/x", "no number of a database"],
    ["redis+cluster://host/1", "database 0 only"],
    ["redis://host?prefix={x}", "can't be a prefix"],
    ["redis://host?prefix=", "can't be a prefix"],
    ["redis://host?db=1", 'no parameter "db"'],
  ])("%s is refused", (text, fault) => {
    const error = thrown(() => parseStoreLocation(text));
    expect(error).toMatchObject({ code: "BAD_OPTION", option: "storage" });
    expect(error.message).toContain(fault);
  });

  it.each([
    "redis://me:hunter2@host",
    "redis://:hunter2@host:6379/0",
    "redis://hunter2:@host#x",
    "redis://a:hunter2@b@c",
  ])("%s is refused without showing the password", (text) => {
    const error = thrown(() => parseStoreLocation(text));
    expect(error).toMatchObject({ code: "BAD_OPTION" });
    expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("hunter2");
  });

  it("is shown without the user's name", () => {
    expect(showStoreLocation(parseStoreLocation("redis://me@host/2"))).toBe(
      "redis://host:6379/2?prefix=kinglet",
    );
    expect(showStoreLocation(parseStoreLocation("rediss+cluster://me@host"))).toBe(
      "rediss+cluster://host:6379?prefix=kinglet",
    );
  });
});

describe("names in Redis", () => {
  it("of index members sort as the keys' code units do, and lead back to the keys", () => {
    const key = fc.string({ unit: "binary", minLength: 1 });
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(keyOfMember(memberOf(a))).toBe(a);
        expect(Math.sign(Buffer.compare(memberOf(a), memberOf(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("fall into buckets that lie evenly over a cluster's slots", () => {
    const names = new RedisNames("p", true);
    expect(names.buckets.map(({ slot }) => Math.floor(slot / 256))).toEqual(
      Array.from({ length: 64 }, (_, i) => i),
    );
    const counts = new Map<string, number>();
    for (let i = 0; i < 64_000; i += 1) {
      const { start } = names.bucketOf(`journals/x/objects/${i}`);
      counts.set(start, (counts.get(start) ?? 0) + 1);
    }
    expect(counts.size).toBe(64);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(250);
  });
});
