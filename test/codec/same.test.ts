import { expect, it } from "vitest";
import { differenceOf } from "./same.ts";

const shared = {};
const cyclic: unknown[] = [];
cyclic.push(cyclic);

it.each<readonly [string, unknown, unknown]>([
  ["−0", [0], [-0]],
  ["a hole", new Array(1), [undefined]],
  ["a trailing hole", [1], Object.assign([1], { length: 2 })],
  ["the order of keys", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["the order of a Map", new Map([[1, 1], [2, 2]]), new Map([[2, 2], [1, 1]])], // biome-ignore format: short
  ["undefined and missing", { a: undefined }, {}],
  ["a prototype", {}, Object.create(null)],
  ["frozenness", {}, Object.freeze({})],
  ["a shared object that is two", [shared, shared], [{}, {}]],
  ["two objects that are one", [{}, {}], [shared, shared]],
  ["a cycle that goes on", cyclic, [cyclic]],
  ["the kind of an array", new Uint8Array(2), new Int8Array(2)],
  ["a byte", new Uint8Array([1]), new Uint8Array([2])],
  ["a Buffer and its bytes", Buffer.from("a"), new Uint8Array([97])],
  ["an invalid date", new Date(Number.NaN), new Date(0)],
  ["a flag", /a/, /a/g],
  ["a boxed number", Object(1), Object(2)],
  ["a bigint and a number", 1n, 1],
])("the comparison that these tests rest on notices %s", (_what, one, other) => {
  expect(differenceOf(one, other)).toBeDefined();
  expect(differenceOf(other, one)).toBeDefined();
  expect(differenceOf(one, one)).toBeUndefined();
});
