import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sortKeys } from "../../src/dataflow/key-sort.ts";
import { decodeKey, encodeKey, KeyWriter } from "../../src/dataflow/keys.ts";
import { thrown } from "../support/pools.ts";

const scalar = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("a", "\0", "\u{1F600}", "\uD800", "\uFFFF") }),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 8 }),
  fc.constantFrom(null, undefined, new URL("https://kinglet.example/a?b=c")),
);
const key = fc.letrec<{ key: unknown }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie("key"), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie("key"), { maxKeys: 3 }),
    fc.array(tie("key"), { maxLength: 3 }).map((members) => new Set(members.map((m) => [m]))),
    fc.array(fc.tuple(fc.string(), tie("key")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
  ),
})).key;
const order = (a: unknown, b: unknown) => Math.sign(Buffer.compare(encodeKey(a), encodeKey(b)));

describe("keys as bytes", () => {
  it("come back as they were, but for -0, which is 0", () => {
    fc.assert(
      fc.property(key, (one) => {
        const back = decodeKey(encodeKey(one));
        expect(encodeKey(back)).toEqual(encodeKey(one));
        expect(back).toEqual(JSON.parse("[0]")[0] === one ? 0 : one);
      }),
      { examples: [[Number.NaN], ["\uD800"], [[["a\0", 1n], -1n]]] },
    );
  });

  it("are in the order of numbers, bigints, dates, and of strings by code points", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true }),
        fc.double({ noNaN: true }),
        (a, b) => order(a, b) === (a === b ? 0 : a < b ? -1 : 1),
      ),
    );
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (a, b) => order(a, b) === (a === b ? 0 : a < b ? -1 : 1)),
    );
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(
        text,
        text,
        (a, b) => order(a, b) === Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (a, b) => {
        const differs = a.findIndex((n, i) => n !== b[i]);
        const expected =
          differs < 0 ? a.length - b.length : differs >= b.length ? 1 : a[differs]! - b[differs]!;
        return order(a, b) === Math.sign(expected);
      }),
    );
    const kinds = [
      undefined,
      null,
      false,
      true,
      -1,
      Infinity,
      Number.NaN,
      1n,
      "a",
      new Uint8Array(1),
      new Date(0),
      [1],
      { a: 1 },
    ];
    for (let i = 1; i < kinds.length; i++) expect(order(kinds[i - 1], kinds[i])).toBe(-1);
  });

  it("are equal by structure, whatever the order of members", () => {
    expect(order({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(0);
    expect(order(new Set([1, 2]), new Set([2, 1]))).toBe(0);
    expect(order({ a: undefined }, {})).not.toBe(0);
    expect([order(-0, 0), order(Number.NaN, -Number.NaN)]).toEqual([0, 0]);
  });

  it("refuse what has no equality by structure", () => {
    const endless: unknown[] = [];
    endless.push(endless);
    for (const one of [() => 1, Symbol("s"), new WeakMap(), new (class Mine {})(), endless])
      expect(thrown(() => encodeKey(one))).toMatchObject({ code: "BAD_ARGUMENT" });
  });
});

describe("sorting keys", () => {
  const some = fc.uint8Array({ maxLength: 20 });
  const alike = fc.string({ unit: fc.constantFrom("\0", "a"), maxLength: 30 }).map((s) => Buffer.from(s));
  const long = fc
    .tuple(fc.constant("x".repeat(3000)), some)
    .map(([x, end]) => Buffer.concat([Buffer.from(x), end]));

  it("gives the order of their bytes, equal ones in the order in which they came", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(some, alike, long), { maxLength: 300, size: "max" }), (keys) => {
        const writer = new KeyWriter();
        const starts = new Uint32Array(keys.length);
        const ends = keys.map((one, i) => {
          starts[i] = writer.length;
          writer.addBytes(one);
          return writer.length;
        });
        const sorted = Uint32Array.from(keys.keys());
        sortKeys({ bytes: writer.bytes, starts, ends: Uint32Array.from(ends) }, sorted);
        const expected = [...keys.keys()].sort((a, b) => Buffer.compare(keys[a]!, keys[b]!) || a - b);
        expect([...sorted]).toEqual(expected);
      }),
    );
  });
});
