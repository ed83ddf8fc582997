import { describe, expect, it } from "vitest";
import { matchObjects } from "../../src/slices/match-objects.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import type { StoreLocation } from "../../src/storage/locate.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { rejection } from "../support/pools.ts";

const location = { kind: "elsewhere" } as unknown as StoreLocation;

const KEYS = [
  "logs/2024/a.csv",
  "logs/2024/b.csv",
  "logs/2024/b.md",
  "logs/2024/deep/er/c.csv",
  "logs/2025/a.csv",
  "logs/2025/.hidden.csv",
  "logs-old/a.csv",
  "top.csv",
];

async function bucket() {
  const store = withMeter(openMemoryStore());
  for (const key of KEYS) await store.put(key, Buffer.from(key));
  return store;
}

async function found(...patterns: string[]): Promise<string[]> {
  const store = await bucket();
  const paths: string[] = [];
  for await (const { path, sizeBytes } of matchObjects("slices", patterns, async () => ({
    store,
    location,
  }))) {
    paths.push(path);
    expect(sizeBytes).toBe(path.length - "s3://b/".length);
  }
  return paths.map((path) => path.replace("s3://b/", ""));
}

describe("objects that match", () => {
  it.each([
    ["s3://b/logs/2024/*.csv", ["logs/2024/a.csv", "logs/2024/b.csv"]],
    ["s3://b/logs/2024/**/*.csv", ["logs/2024/a.csv", "logs/2024/b.csv", "logs/2024/deep/er/c.csv"]],
    ["s3://b/logs/202?/a.csv", ["logs/2024/a.csv", "logs/2025/a.csv"]],
    ["s3://b/logs/{2024,2025}/a.*", ["logs/2024/a.csv", "logs/2025/a.csv"]],
    ["s3://b/logs/2024/a.csv", ["logs/2024/a.csv"]],
    ["s3://b/*.csv", ["top.csv"]],
  ])("%s", async (pattern, keys) => {
    expect(await found(pattern)).toEqual(keys);
  });

  it("come once, though several patterns match them, and not at all where one excludes them", async () => {
    expect(await found("s3://b/logs/*/a.csv", "s3://b/logs/2024/*.csv", "!s3://b/logs/2025/**")).toEqual([
      "logs/2024/a.csv",
      "logs/2024/b.csv",
    ]);
  });

  it("are listed from where the pattern is no text any more", async () => {
    const store = await bucket();
    const prefixes: string[] = [];
    const watched = Object.assign(Object.create(store) as typeof store, {
      list: (prefix: string) => {
        prefixes.push(prefix);
        return store.list(prefix);
      },
    });
    for await (const _ of matchObjects("slices", ["s3://b/logs/2024/b*"], async () => ({
      store: watched,
      location,
    })));
    expect(prefixes).toEqual(["logs/2024/b"]);
  });

  it("are an error where there are none", async () => {
    const error = await rejection(found("s3://b/top.csv", "s3://b/nothing/*.csv"));
    expect(error).toMatchObject({
      code: "BAD_ARGUMENT",
      message: expect.stringMatching(/no object matches s3:\/\/b\/nothing\/\*\.csv/),
    });
    expect((await rejection(found("s3://b/logs/2024/"))).message).toMatch(/For a folder: .*logs\/2024\/\*\*/);
  });
});
