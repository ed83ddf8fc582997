import { chmodSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Dataset, type Emit, mapReduce, type ShuffleReport } from "../../src/dataflow/index.ts";
import type { Pool } from "../../src/index.ts";
import { rejection } from "../support/pools.ts";
import { collect, sharedPool } from "./shared-pool.ts";

const { pool, storage, close } = sharedPool();
afterAll(close);

/** What a shuffle must give, in memory, by the plainest means. */
function naive<K, V>(pairs: Iterable<readonly [K, V]>): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

const lines = ["to be or not to be", "that is the question", "", "be that as it may"];
const counts = new Map(
  [...naive(lines.flatMap((line) => line.split(" ").map((word) => [word, 1] as const)))].map(
    ([word, ones]) => [word, ones.length] as const,
  ),
);

describe("mapReduce", () => {
  it("counts words by generator and combine", async () => {
    const found = await mapReduce(pool, lines, {
      *map(line) {
        for (const word of line.split(" ")) yield [word, 1];
      },
      combine: (a, b) => a + b,
      partitions: 3,
    });
    expect(new Map(found)).toEqual(counts);
    expect(found).toHaveLength(counts.size);
  });

  it("counts words by emit and reduce, in the order of keys", async () => {
    const found = await mapReduce(pool, lines, {
      map(line, _ctx, emit: (word: string, one: number) => void) {
        for (const word of line.split(" ")) emit(word, 1);
      },
      reduce: async (word, ones) => {
        let count = 0;
        for await (const one of ones) count += one;
        return `${word} ${count}`;
      },
      by: "sorted",
      partitions: 3,
    });
    expect(found).toEqual([...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map((pair) => pair.join(" ")));
  });

  it("gives what a naive one gives, for random data, partitions, spills, orders and levels", async () => {
    const key = fc.oneof(
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.integer({ min: -3, max: 300 }),
      fc.double(),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
    );
    const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.object({ maxDepth: 1 }));
    const items = fc.array(fc.array(fc.tuple(key, value), { maxLength: 60 }), { maxLength: 8 });
    const settings = fc.record({
      partitions: fc.integer({ min: 1, max: 7 }),
      by: fc.constantFrom("hash" as const, "sorted" as const),
      compression: fc.constantFrom("zstd" as const, "deflate" as const, "none" as const),
      itemsPerTask: fc.integer({ min: 1, max: 3 }),
      levels: fc.constantFrom(1 as const, 2 as const),
    });
    await fc.assert(
      fc.asyncProperty(items, settings, async (given, options) => {
        const found = await mapReduce(pool, given, {
          map: (pairs) => pairs,
          reduce: async (one, values) => [one, await collect(values)] as const,
          ...options,
        });
        const expected = naive(given.flat().map(([one, v]) => [Object.is(one, -0) ? 0 : one, v] as const));
        const byKey = new Map(found);
        expect(found.length).toBe(byKey.size);
        expect(new Set(byKey.keys())).toEqual(new Set(expected.keys()));
        // Values of a key come in the order of the runs, and of the pairs within each.
        for (const [one, values] of expected) expect(byKey.get(one)).toEqual(values);
      }),
      { numRuns: 12 },
    );
  });

  it("takes keys as bytes of texts, the same ones as those of strings, with a combiner and without", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 6 }),
      fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 90 }),
    );
    const bytes = fc.oneof(
      text.map((one) => Buffer.from(one)),
      // Also what is no UTF-8.
      fc.uint8Array({ maxLength: 4 }).map((one) => Buffer.from(one)),
    );
    const items = fc.array(fc.array(bytes, { maxLength: 60 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(items, fc.constantFrom("hash" as const, "sorted" as const), async (given, by) => {
        const map = (parts: Buffer[], _ctx: unknown, emit: Emit<string, number>) => {
          for (const [i, part] of parts.entries()) {
            if (i % 3 === 0) emit(Buffer.from(part).toString("utf8"), 1);
            else emit.text(Buffer.concat([Buffer.from("<"), part, Buffer.from(">")]), 1, 1 + part.length, 1);
          }
        };
        const options = { map, by, partitions: 3, itemsPerTask: 2 };
        const expected = [...naive(given.flat().map((part) => [part.toString("utf8"), 1]))].map(
          ([one, ones]) => [one, ones.length] as const,
        );
        const combined = await mapReduce(pool, given, { ...options, combine: (a, b) => a + b });
        expect(new Map(combined)).toEqual(new Map(expected));
        expect(combined).toHaveLength(expected.length);
        const reduced = await mapReduce(pool, given, {
          ...options,
          reduce: async (one, ones) => [one, (await collect(ones)).length] as const,
        });
        expect(new Map(reduced)).toEqual(new Map(expected));
      }),
      { numRuns: 10 },
    );
  });

  it("takes each word of some bytes as a key, with a combiner and without, with spills", async () => {
    const vocabulary = [...Array(30_000).keys()].map((n) => `wörd-${n}${"-".repeat(n % 5)}`);
    const given = [0, 1].map((item) =>
      vocabulary.map((word, i) => `${word}${[" ", "\n", "\t \r\n"][(i + item) % 3]}`).join(""),
    );
    const map = (text: string, _ctx: unknown, emit: Emit<string, number>) => {
      const bytes = Buffer.from(text);
      emit.words(bytes, 1);
      emit.words(new Uint8Array(), 1);
      emit.words(bytes.subarray(0, bytes.indexOf(45)), 1);
    };
    const options = { map, partitions: 3, itemsPerTask: 1, bufferMb: 1 };
    const expected = new Map([...vocabulary.map((word) => [word, 2] as const), ["wörd", 2]]);
    expect(new Map(await mapReduce(pool, given, { ...options, combine: (a, b) => a + b }))).toEqual(expected);
    const reduced = await mapReduce(pool, given, {
      ...options,
      reduce: async (word, ones) => [word, (await collect(ones)).length] as const,
    });
    expect(new Map(reduced)).toEqual(expected);
  });

  it("spills combined values that grow", async () => {
    const lists = await mapReduce(pool, [0, 1], {
      map(n, _ctx, emit: (key: number, value: number[]) => void) {
        for (let i = 0; i < 60_000; i++) emit(i % 7, [n, i]);
      },
      combine: (a, b) => a.concat(b),
      bufferMb: 1,
      partitions: 2,
      itemsPerTask: 1,
    });
    expect(lists.map(([key, list]) => [key, list.length]).sort()).toEqual(
      [...Array(7).keys()].map((key) => [key, 4 * (key < 3 ? 8572 : 8571)]),
    );
  });

  it("spills what is too much for its buffer, and combines across spills", async () => {
    const spread = 40_000;
    const job = { partitions: 3, bufferMb: 1, itemsPerTask: 2 };
    const map = (seed: number, _ctx: unknown, emit: (key: string, value: number) => void) => {
      for (let i = 0; i < 60_000; i++) emit(`key ${(i * 7 + seed * 13) % 40_000}`, 1);
    };
    const found = await mapReduce(pool, [0, 1, 2], { map, combine: (a, b) => a + b, ...job });
    expect(found).toHaveLength(spread);
    expect(found.reduce((sum, [, count]) => sum + count, 0)).toBe(180_000);
    const grouped = await mapReduce(pool, [0, 1, 2], {
      map,
      reduce: async (key, ones) => [key, (await collect(ones)).length] as const,
      ...job,
    });
    expect(new Map(grouped)).toEqual(new Map(found));
  });

  it("writes M objects and reads M × R ranges, or as the plan for two levels says", async () => {
    let report: ShuffleReport | undefined;
    const run = (levels: 1 | 2) =>
      mapReduce(pool, [...Array(9).keys()], {
        *map(n) {
          for (let i = 0; i < 300; i++) yield [i, n];
        },
        combine: (a, b) => a + b,
        partitions: 4,
        itemsPerTask: 1,
        levels,
        onReport: (one) => {
          report = one;
        },
      });
    const direct = await run(1);
    expect(report).toMatchObject({ mappers: 9, puts: 9, gets: 36, plan: { puts: 9, gets: 36 } });
    const viaMerges = await run(2);
    expect(report).toMatchObject({ puts: 9 + 6, gets: 18 + 12, plan: { merges: 6, puts: 15, gets: 30 } });
    expect(new Map(viaMerges)).toEqual(new Map(direct));
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("makes results objects of JSON lines, or a dataset for the next stage", async () => {
    const options = {
      map: (n: number) => [[n % 10, n] as const],
      combine: (a: number, b: number) => a + b,
      partitions: 4,
    };
    const numbers = [...Array(100).keys()];
    const objects = await mapReduce(pool, numbers, { ...options, output: { objects: "out/sums" } });
    expect(objects.map(({ key }) => key)).toContain("out/sums/part-00003");
    const texts = await Promise.all(objects.map((object) => object.text()));
    const pairs = texts.flatMap((text) => text.split("\n").filter((line) => line !== ""));
    expect(pairs.map((line) => JSON.parse(line) as [number, number]).sort()).toEqual(
      [...Array(10).keys()].map((n) => [n, 450 + 10 * n]),
    );

    const sums = await mapReduce(pool, numbers, { ...options, output: { dataset: "sums" } });
    expect(sums).toBeInstanceOf(Dataset);
    expect(sums.count).toBe(10);
    const parity = await mapReduce(pool, sums, {
      map: ([digit, sum]) => [[digit % 2 === 0, sum] as const],
      combine: (a, b) => a + b,
    });
    expect(new Map(parity)).toEqual(new Map([[true, 2450], [false, 2500]])); // biome-ignore format: a table
    expect((await sums.toArray()).sort()).toEqual(pairs.map((line) => JSON.parse(line)).sort());
    await sums.delete();
    expect(await collect(pool.store.list("sums/"))).toEqual([]);
  });

  it("takes a job's results, files and lazy items", async () => {
    const count = { combine: (a: number, b: number) => a + b, partitions: 2 };
    const job = pool.map((n) => n % 3, [1, 2, 3, 4]);
    const found = await mapReduce(pool, job, { map: (n) => [[n, 1] as const], ...count });
    expect(new Map(found)).toEqual(new Map([[0, 1], [1, 2], [2, 1]])); // biome-ignore format: a table
    async function* lazily() {
      for (let n = 0; n < 2500; n++) yield n % 5;
    }
    const lazy = await mapReduce(pool, lazily(), { map: (n) => [[n, 1] as const], ...count });
    expect(new Map(lazy)).toEqual(new Map([0, 1, 2, 3, 4].map((n) => [n, 500])));
  });

  it("makes runs again that were lost or damaged before they were read", async () => {
    const before: ((names: readonly string[]) => void)[] = [
      ([first, second]) => {
        rmSync(path.join(storage, "named", first!));
        const damaged = path.join(storage, "named", second!);
        chmodSync(damaged, 0o600);
        writeFileSync(damaged, "damaged", { flag: "r+" });
      },
    ];
    let report: ShuffleReport | undefined;
    let mapped = 0;
    const rigged = withHooks(pool, {
      broadcast: (names) => before.shift()?.(names as string[]),
      map: () => mapped++,
    });
    const found = await mapReduce(rigged, [...Array(6).keys()], {
      *map(n) {
        for (let i = 0; i < 50; i++) yield [i, n];
      },
      reduce: async (key, values) => [key, (await collect(values)).length] as const,
      partitions: 3,
      itemsPerTask: 1,
      compression: "none",
      onReport: (one) => {
        report = one;
      },
    });
    expect(new Map(found)).toEqual(new Map([...Array(50).keys()].map((i) => [i, 6])));
    expect(report!.remade).toBe(2);
    expect(mapped).toBeGreaterThan(3);
  });

  it("makes runs of merging tasks again, too", async () => {
    const lost = new Set<string>();
    const rigged = withHooks(pool, {
      broadcast: (names) => {
        // One of a mapping task, and one of a merging task.
        const name = (names as string[]).find((one) => one !== "")!;
        const stage = name.split("/").at(-2)!;
        if (lost.has(stage)) return;
        lost.add(stage);
        rmSync(path.join(storage, "named", name));
      },
    });
    let report: ShuffleReport | undefined;
    const found = await mapReduce(rigged, [...Array(5).keys()], {
      *map(n) {
        for (let i = 0; i < 50; i++) yield [i, n];
      },
      combine: (a, b) => a + b,
      partitions: 4,
      itemsPerTask: 1,
      levels: 2,
      onReport: (one) => {
        report = one;
      },
    });
    expect(new Map(found)).toEqual(new Map([...Array(50).keys()].map((i) => [i, 10])));
    expect(lost).toEqual(new Set(["map", "merge"]));
    // Runs stay until the end: what the merged one is made of is still there.
    expect(report!.remade).toBe(2);
  });

  it("merges what is there before the last item is mapped", async () => {
    const found = await mapReduce(pool, [...Array(9).keys()], {
      async map(n, ctx, emit: (key: number, value: number) => void) {
        emit(n % 4, n);
        if (n !== 8) return;
        // The last one ends only after a merging task has read runs of the others.
        for (let isMerged = false; !isMerged; ) {
          for await (const { key } of ctx.store.list("dataflow/")) isMerged ||= key.includes("/merge/");
        }
      },
      combine: (a, b) => a + b,
      partitions: 4,
      itemsPerTask: 1,
      levels: 2,
    });
    expect(new Map(found)).toEqual(new Map([[0, 12], [1, 6], [2, 8], [3, 10]])); // biome-ignore format: a table
  });

  it("gives the same when workers die at each stage", async () => {
    const found = await mapReduce(pool, [0, 1, 2, 3], {
      *map(n, ctx) {
        for (let i = 0; i < 20; i++) {
          if (n === 2 && i === 10 && ctx.attempt === 1) process.exit(7);
          yield [i, n];
        }
      },
      reduce: async (key, values, ctx) => {
        if (key === 5 && ctx.attempt === 1) process.kill(process.pid, "SIGKILL");
        return [key, (await collect(values)).sort()] as const;
      },
      itemsPerTask: 1,
      partitions: 3,
    });
    expect(new Map(found)).toEqual(new Map([...Array(20).keys()].map((i) => [i, [0, 1, 2, 3]])));
    expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
  });

  it("says at once what is wrong with its options, and while running what is wrong with pairs and keys", async () => {
    const map = (n: number) => [[n, n] as const];
    const wrong = (options: object) => rejection(mapReduce(pool, [1], { map, ...options } as never));
    expect((await wrong({})).message).toContain("reduce and combine are missing");
    expect(await wrong({ combine: Math.max, partitions: 0 })).toMatchObject({ code: "BAD_OPTION" });
    expect(await wrong({ combine: Math.max, partition: 1 })).toMatchObject({ code: "UNKNOWN_OPTION" });
    expect((await wrong({ combine: Math.max, output: { objects: "../x" } })).code).toBe("BAD_OPTION");
    expect((await wrong({ combine: Math.max, map: () => [[1, 2, 3]] })).message).toContain("an array of 3");
    expect((await wrong({ combine: Math.max, map: () => [[new WeakMap(), 3]] })).message).toContain(
      "a key of the shuffle is a WeakMap",
    );
    class Mine extends Error {}
    const failing = await wrong({
      combine: Math.max,
      map: () => {
        throw new Mine("no");
      },
    });
    expect(failing).toBeInstanceOf(Mine);
  });
});

/** The same pool, that tells before it does something. */
function withHooks(target: Pool, hooks: Partial<Record<keyof Pool, (first: unknown) => void>>): Pool {
  return new Proxy(target, {
    get(_, name: keyof Pool) {
      const member = target[name];
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        hooks[name]?.(args[0]);
        return (member as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}
