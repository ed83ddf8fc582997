import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CombineTable } from "../../src/dataflow/combine-table.ts";
import { decodeKey, encodeKey } from "../../src/dataflow/keys.ts";
import { SizeEstimate } from "../../src/dataflow/size-estimate.ts";

type Add = (a: unknown, b: unknown) => unknown;
const plus: Add = (a, b) => (a as number) + (b as number);
const tableOf = (combine: Add) => new CombineTable(combine, new SizeEstimate(() => new Uint8Array()));

/** Combined values by the key's bytes, which tell all keys apart. */
function taken(table: CombineTable): Map<string, unknown> {
  const { bytes, starts, ends, values } = table.take();
  expect(table.isEmpty).toBe(true);
  const keyOf = (i: number) => Buffer.from(encodeKey(decodeKey(bytes, starts[i]!, ends[i]!))).toString("hex");
  expect(new Set(values.map((_, i) => keyOf(i))).size).toBe(values.length);
  return new Map(values.map((value, i) => [keyOf(i), value]));
}

class Naive {
  readonly found = new Map<string, unknown>();
  readonly #combine: Add;

  constructor(combine: Add) {
    this.#combine = combine;
  }

  add(key: unknown, value: unknown): void {
    const hex = Buffer.from(encodeKey(key)).toString("hex");
    this.found.set(hex, this.found.has(hex) ? this.#combine(this.found.get(hex), value) : value);
  }
}

// Texts that differ in one byte, near the four and eight that are compared at once, and zeros, which mustn't pass for nothing.
const near = fc.string({ unit: fc.constantFrom("a", "b", "\0", "é", "\u007f"), maxLength: 14 });
const bytes = fc.uint8Array({ maxLength: 10 });
const key = fc.oneof(near, bytes, fc.integer({ min: -2, max: 2 }), fc.constant(null), fc.tuple(near, near));
const value = fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer(), fc.constant(0));

describe("the table of combined values", () => {
  it("gives what a naive one gives, for strings, texts in bytes and other keys", () => {
    const pairs = fc.array(fc.tuple(key, value, fc.nat(3)), { maxLength: 300 });
    fc.assert(
      fc.property(pairs, fc.boolean(), (given, isText) => {
        const [table, naive] = [tableOf(plus), new Naive(plus)];
        for (const [one, n, padding] of given) {
          if (isText && one instanceof Uint8Array) {
            const around = Buffer.concat([Buffer.alloc(padding, "x"), one, Buffer.alloc(padding, "y")]);
            table.addText(around, padding, padding + one.length, n);
            naive.add(Buffer.from(one).toString("utf8"), n);
          } else {
            table.add(one, n);
            naive.add(one, n);
          }
        }
        expect(taken(table)).toEqual(naive.found);
        expect(taken(table).size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("finds the words of bytes, wherever they begin and end", () => {
    const unit = fc.constantFrom("a", "b", "!", " ", "\n", "\t", "\u0000", "\u0021", "é", "\u{1F600}");
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit, maxLength: 40 }), { maxLength: 12 }),
        fc.nat(5),
        (texts, from) => {
          const [table, naive] = [tableOf(plus), new Naive(plus)];
          for (const text of texts) {
            const all = Buffer.from("x".repeat(from) + text);
            expect(table.addWords(all, from, 1, Number.POSITIVE_INFINITY)).toBe(all.length);
            for (const word of text.split(/[\0-\x20]+/)) if (word !== "") naive.add(word, 1);
          }
          expect(taken(table)).toEqual(naive.found);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("combines by any associative function, also one that makes or changes objects", () => {
    const list: Add = (a, b) => [a, b].flat();
    const counter: Add = (a, b) => {
      const count = (one: unknown) => (typeof one === "number" ? { n: one } : (one as { n: number }));
      const [sum, more] = [count(a), count(b)];
      sum.n += more.n;
      return sum;
    };
    for (const times of [1, 2, 3, 6, 7, 100]) {
      const results = [plus, Math.max as Add, list, counter].map((combine) => {
        const table = tableOf(combine);
        for (let i = 0; i < times; i++) table.add("word", 3);
        table.add("word", 5);
        return [...taken(table).values()][0];
      });
      const threes = new Array(times).fill(3);
      expect(results.slice(0, 2)).toEqual([3 * times + 5, 5]);
      expect((results[2] as number[]).toSorted()).toEqual([...threes, 5]);
      expect(results[3]).toEqual({ n: 3 * times + 5 });
    }
  });

  it("grows with its keys, and says what they take", () => {
    const table = tableOf(plus);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40_000; i++) table.add(`key-number-${i}`, 1);
    }
    expect(table.sizeBytes).toBeGreaterThan(40_000 * "key-number-12345".length);
    expect(new Set(taken(table).values())).toEqual(new Set([3]));
    expect(table.sizeBytes).toBe(0);
  });
});
