import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Durations } from "../../src/scheduler/durations.ts";
import { Fifo } from "../../src/scheduler/fifo.ts";
import { RangeSet } from "../../src/scheduler/range-set.ts";

const indexesOf = (pairs: readonly number[]): number[] => {
  const indexes: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) for (let j = pairs[i]!; j < pairs[i + 1]!; j++) indexes.push(j);
  return indexes;
};

describe("a set of ranges", () => {
  const range = fc.tuple(fc.nat(60), fc.nat(12)).map(([first, count]) => [first, first + count] as const);

  it("answers as a plain set of indexes does", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), range, (ranges, [first, end]) => {
        const set = new RangeSet();
        const model = new Set<number>();
        for (const [from, to] of ranges) {
          const fresh = indexesOf([from, to]).filter((index) => !model.has(index));
          expect(indexesOf(set.add(from, to))).toEqual(fresh);
          for (const index of fresh) model.add(index);
        }
        const inside = indexesOf([first, end]);
        expect(set.size).toBe(model.size);
        expect(indexesOf(set.pairs())).toEqual([...model].sort((a, b) => a - b));
        expect(set.covers(first, end)).toBe(inside.every((index) => model.has(index)));
        expect(indexesOf(set.gaps(first, end))).toEqual(inside.filter((index) => !model.has(index)));
        expect(set.countIn(first, end)).toBe(inside.filter((index) => model.has(index)).length);
        expect(set.has(first)).toBe(model.has(first));
        let gap = first;
        while (model.has(gap)) gap += 1;
        expect(set.nextGap(first)).toBe(gap);
        const members = [...model].filter((index) => index >= first);
        expect(set.nextMember(first)).toBe(
          members.length > 0 ? Math.min(...members) : Number.POSITIVE_INFINITY,
        );
      }),
      { numRuns: 500 },
    );
  });

  it("keeps ranges that touch as one", () => {
    const set = new RangeSet();
    for (const [first, end] of [
      [0, 10],
      [20, 30],
      [10, 20],
    ] as const)
      set.add(first, end);
    expect(set.pairs()).toEqual([0, 30]);
  });
});

describe("a queue", () => {
  it("gives back in order, however it is used", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 5000 }), (pushes) => {
        const queue = new Fifo<number>();
        const model: number[] = [];
        for (const [i, push] of pushes.entries()) {
          if (push) {
            queue.push(i);
            model.push(i);
          } else {
            expect(queue.peek()).toBe(model[0]);
            expect(queue.shift()).toBe(model.shift());
          }
          expect(queue.size).toBe(model.length);
        }
      }),
    );
  });
});

describe("the time of tasks", () => {
  it("has a median within 20 %, whatever the batches", () => {
    const times = fc.array(
      fc.tuple(fc.double({ min: 0.002, max: 1e6, noNaN: true }), fc.integer({ min: 1, max: 50 })),
      {
        minLength: 2,
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(times, (batches) => {
        const durations = new Durations();
        const all: number[] = [];
        for (const [taskMs, count] of batches) {
          durations.add(taskMs * count, count);
          for (let i = 0; i < count; i++) all.push(taskMs);
        }
        all.sort((a, b) => a - b);
        const median = durations.medianMs()!;
        const low = all[Math.floor((all.length - 1) / 2)]!;
        const high = all[Math.ceil((all.length - 1) / 2)]!;
        expect(median).toBeGreaterThanOrEqual(low * 0.99);
        expect(median).toBeLessThanOrEqual(high * 1.2);
      }),
    );
  });

  it("is unknown before the first report", () => {
    expect(new Durations().medianMs()).toBeUndefined();
    expect(new Durations().meanMs).toBeUndefined();
  });
});
