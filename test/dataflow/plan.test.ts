import fc from "fast-check";
import { expect, it } from "vitest";
import { shufflePlan } from "../../src/dataflow/index.ts";
import { cutKeys, rangeOf } from "../../src/dataflow/partitioner.ts";
import { planOf } from "../../src/dataflow/plan.ts";

it("plans one level for a small shuffle, two for a great one with many small ranges", () => {
  expect(shufflePlan({ mappers: 10, reducers: 8, bytes: 1e9 })).toMatchObject({
    levels: 1,
    puts: 10,
    gets: 240,
  });
  expect(shufflePlan({ mappers: 2500, reducers: 2500, bytes: 1e12 })).toMatchObject({
    levels: 2,
    merges: 2500,
    puts: 5000,
    gets: 500_000,
  });
  expect(planOf({ mappers: 2500, reducers: 2500, bytes: 1e12 }, 1).gets).toBe(6_250_000);
});

it("never asks for more objects than M + ⌈√M⌉⌈√R⌉, nor for more small reads with two levels than with one", () => {
  const size = fc.record({
    mappers: fc.integer({ min: 1, max: 20_000 }),
    reducers: fc.integer({ min: 1, max: 20_000 }),
    bytes: fc.integer({ min: 0, max: 1e9 }),
  });
  fc.assert(
    fc.property(size, (one) => {
      const { mappers: m, reducers: r } = one;
      const plan = shufflePlan(one);
      expect(plan.puts).toBeLessThanOrEqual(m + (Math.sqrt(m) + 1) * (Math.sqrt(r) + 1));
      if (plan.levels === 2 && m <= 1024) expect(plan.gets).toBeLessThan(planOf(one, 1).gets);
    }),
  );
});

it("cuts sorted runs into ranges that have every key once, of about the same size", () => {
  const run = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 400, size: "max" });
  fc.assert(
    fc.property(
      fc.array(run, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 9 }),
      (runs, partitions) => {
        const bytesOf = (n: number) => Buffer.from([n >> 8, n & 255]);
        const sorted = runs.map((keys) => keys.sort((a, b) => a - b));
        // Blocks of three keys, of a byte each.
        const indexes = sorted.map((keys) => {
          const firsts = keys.filter((_, i) => i % 3 === 0);
          return {
            blockKeys: firsts.map(bytesOf),
            blockOffsets: Float64Array.from(firsts.map((_, i) => 3 * i)),
            sizeBytes: keys.length,
          };
        });
        const cuts = cutKeys(indexes, partitions).map((cut) => cut as Buffer);
        expect(cuts.length).toBeLessThan(partitions);
        const found: number[][] = [];
        for (let p = 0; p <= cuts.length; p++) {
          const [low, high] = [cuts[p - 1], cuts[p]];
          const inRange = sorted.flatMap((keys, i) => {
            const { offset, length } = rangeOf(indexes[i]!, low, high);
            return keys.slice(offset, offset + length).filter((n) => {
              const key = bytesOf(n);
              return (!low || key.compare(low) >= 0) && (!high || key.compare(high) < 0);
            });
          });
          found.push(inRange.sort((a, b) => a - b));
        }
        expect(found.flat()).toEqual(sorted.flat().sort((a, b) => a - b));
      },
    ),
  );
});
