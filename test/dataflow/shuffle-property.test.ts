import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { mapReduce, type ShuffleReport, sort } from "../../src/dataflow/index.ts";
import { planOf } from "../../src/dataflow/plan.ts";
import type { StoredObject } from "../../src/index.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { withFaults } from "../../src/storage/layers/faults.ts";
import { withMeter } from "../../src/storage/layers/meter.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { temporaryFolder } from "../support/pools.ts";
import { inlinePool } from "./inline-pool.ts";
import { recordFiles, sortedRecords } from "./record-files.ts";
import { collect } from "./shared-pool.ts";

const faults = fc.record({ seed: fc.nat(1_000_000), every: fc.integer({ min: 2, max: 5 }) });
const levels = fc.constantFrom(1 as const, 2 as const);
const compression = fc.constantFrom("zstd" as const, "deflate" as const, "none" as const);

/** Every few attempts a worker dies at one of its first requests; before, in the middle, or after it. Others find the store away. */
function faultyPool({ seed, every }: { seed: number; every: number }) {
  const store = openMemoryStore();
  const rates = { get: { before: 0.02 }, put: { before: 0.02, after: 0.05 } };
  const attemptStore = (attempt: number) =>
    withFaults(store, {
      seed: seed + attempt,
      rates,
      ...(attempt % every === 0 ? { crashAt: (seed + attempt) % 9 } : {}),
    });
  return inlinePool({ store, attemptStore });
}

/** Loses or damages an intermediate object before tasks read it, at most `times` times. */
function losingPool(seed: number, times: number) {
  const store = openMemoryStore();
  const random = seededRandom(seed);
  const pool = inlinePool({ store });
  const lost: string[] = [];
  const gated = {
    ...pool,
    /** Tasks that read runs get their names by it. */
    broadcast: (value: unknown) => {
      const names = (value as string[]).filter((name) => name !== "");
      if (lost.length < times && names.length > 0) {
        const name = names[Math.floor(random() * names.length)]!;
        lost.push(name);
        if (random() < 0.5) void store.delete([`named/${name}`]);
        else void store.put(`named/${name}`, Buffer.from("damaged"));
      }
      return pool.broadcast(value);
    },
  };
  return { pool: gated as typeof pool, lost };
}

const pairs = fc.array(
  fc.array(fc.tuple(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.string({ maxLength: 3 })), fc.nat(1000)), {
    maxLength: 60,
  }),
  { maxLength: 12 },
);
const settings = fc.record({
  partitions: fc.integer({ min: 1, max: 9 }),
  by: fc.constantFrom("hash" as const, "sorted" as const),
  itemsPerTask: fc.integer({ min: 1, max: 3 }),
  bufferMb: fc.constant(1),
  levels,
  compression,
});
type Pairs = typeof pairs extends fc.Arbitrary<infer T> ? T : never;

function naiveSums(given: Pairs): Map<string | number, number> {
  const sums = new Map<string | number, number>();
  for (const [key, value] of given.flat()) sums.set(key, (sums.get(key) ?? 0) + value);
  return sums;
}

const sumUp = (combined: boolean) =>
  combined
    ? { combine: (a: number, b: number) => a + b }
    : {
        reduce: async (key: string | number, values: AsyncIterable<number>) => {
          const all = await collect(values);
          return [key, all.reduce((a, b) => a + b, 0)] as [string | number, number];
        },
      };

describe("mapReduce", () => {
  it("gives what a naive one gives, when workers die at any request, or the store is away after any", async () => {
    await fc.assert(
      fc.asyncProperty(pairs, settings, fc.boolean(), faults, async (given, options, combined, plan) => {
        const pool = faultyPool(plan);
        const found = await mapReduce(pool, given, {
          map: (some: Pairs[number]) => some,
          ...options,
          ...sumUp(combined),
        } as never);
        expect(new Map(found as never)).toEqual(naiveSums(given));
        expect(await collect(pool.store.list())).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it("gives what a naive one gives, when intermediate objects get lost or damaged at each stage", async () => {
    await fc.assert(
      fc.asyncProperty(
        pairs,
        settings,
        fc.boolean(),
        fc.nat(1_000_000),
        async (given, options, combined, seed) => {
          const { pool, lost } = losingPool(seed, 3);
          let report: ShuffleReport | undefined;
          const found = await mapReduce(pool, given, {
            ...{ map: (some: Pairs[number]) => some, ...options, ...sumUp(combined) },
            onReport: (one: ShuffleReport) => {
              report = one;
            },
          } as never);
          expect(new Map(found as never)).toEqual(naiveSums(given));
          // What nobody had to read isn't made again.
          expect(report!.remade).toBeLessThanOrEqual(lost.length);
          expect(await collect(pool.store.list())).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("takes other stores for what lies between, and leaves nothing there", async () => {
    const folder = temporaryFolder();
    const via = [path.join(folder, "a"), path.join(folder, "b")];
    const pool = inlinePool({ store: openMemoryStore() });
    const given = [...Array(12).keys()].map((n) => [[n % 5, n] as [number, number]]);
    const seen: number[] = [];
    const found = await mapReduce(pool, given, {
      map: (some) => some,
      reduce: async (key: number, values) => {
        for (const store of via) seen.push((await collect(pool.store.at(store).list("dataflow/"))).length);
        expect(await collect(pool.store.list())).toEqual([]);
        return [key, (await collect(values)).reduce((a, b) => a + b, 0)] as const;
      },
      ...{ via, partitions: 1, itemsPerTask: 1 },
    });
    expect(new Map(found)).toEqual(naiveSums(given));
    // Six runs each.
    expect(new Set(seen)).toEqual(new Set([6]));
    for (const store of via) expect(await collect(pool.store.at(store).list())).toEqual([]);
  });
});

const contentOf = async (objects: readonly StoredObject[], store: ObjectStore) =>
  Buffer.concat(await Promise.all(objects.map(async ({ key }) => await store.get(`named/${key}`))));

describe("sort", () => {
  const rule = { recordBytes: 8, keyBytes: 4, output: { objects: "sorted" } };

  it("gives what a naive one gives, on one level and two, when workers die or runs get lost", async () => {
    const options = fc.record({ partitions: fc.integer({ min: 1, max: 9 }), levels, compression });
    const given = fc.record({
      files: fc.array(fc.nat(400), { minLength: 1, maxLength: 9 }),
      different: fc.constantFrom(2, 50, 2 ** 32),
    });
    await fc.assert(
      fc.asyncProperty(
        given,
        options,
        faults,
        fc.boolean(),
        async ({ files, different }, chosen, plan, lose) => {
          const records = recordFiles(files, plan.seed, different);
          const pool = lose ? losingPool(plan.seed, 2).pool : faultyPool(plan);
          const objects = await sort(pool, records.files, { ...rule, ...chosen });
          const found = Buffer.concat(await Promise.all(objects.map(({ key }) => pool.store.get(key))));
          expect(found.equals(sortedRecords(records.contents))).toBe(true);
          expect(await collect(pool.store.list("dataflow/"))).toEqual([]);
        },
      ),
      { numRuns: 80 },
    );
  });

  it("asks the store for as many objects and ranges as the formula says, on one level and two", async () => {
    const { files } = recordFiles(new Array(12).fill(60_000), 1);
    for (const level of [1, 2] as const) {
      const store = withMeter(openMemoryStore());
      const requests = () => ({
        puts: store.usage().put?.requests ?? 0,
        gets: store.usage().get?.requests ?? 0,
      });
      let report: ShuffleReport | undefined;
      const objects = await sort(inlinePool({ store }), files, {
        ...{ ...rule, levels: level, partitions: 4 },
        onReport: (one) => {
          report = one;
        },
      });
      const formula = planOf({ mappers: 12, reducers: 4, bytes: 12 * 480_000 }, level);
      // 3 × 2 cells of 4 runs and 2 partitions.
      expect(formula).toMatchObject(
        level === 1 ? { puts: 12, gets: 12 * 4 } : { puts: 12 + 6, gets: 12 * 2 + 3 * 4 },
      );
      expect(report).toMatchObject({ puts: formula.puts, gets: formula.gets, mappers: 12, partitions: 4 });
      expect(requests()).toEqual({ puts: formula.puts + objects.length, gets: formula.gets });
      expect((await contentOf(objects, store)).length).toBe(12 * 480_000);
    }
  });
});
