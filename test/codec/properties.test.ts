import fc from "fast-check";
import { expect, it } from "vitest";
import { createCodec } from "../../src/codec/codec.ts";
import { differenceOf } from "./same.ts";
import { keepingLane, laneOf, plainCodec, throughBytes } from "./test-lane.ts";
import { ODD_VALUES } from "./values.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "binary", minLength: 30, maxLength: 70 }),
  fc.string(),
);
const leaf = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(undefined, null, -0, Number.NaN, "\ud800", "__proto__"),
  text,
);
const typedArray = fc.oneof(
  fc.uint8Array(),
  fc.int16Array(),
  fc.float32Array(),
  fc.float64Array({ maxLength: 100 }),
  fc.uint8Array({ minLength: 60, maxLength: 80 }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => bytes.slice().buffer),
  fc.bigInt64Array(),
);

/** One object of a graph: its kind, what it holds itself, and the numbers of the objects that it points to. */
const node = fc.record({
  kind: fc.constantFrom("object", "array", "map", "set", "date", "regexp", "binary"),
  leaves: fc.array(leaf, { maxLength: 5 }),
  keys: fc.array(text, { minLength: 10, maxLength: 10 }),
  to: fc.array(fc.nat(), { maxLength: 4 }),
  date: fc.oneof(fc.date(), fc.constant(new Date(Number.NaN))),
  pattern: fc.constantFrom(/a/, /b+/gi, /\//v),
  binary: typedArray,
  holes: fc.boolean(),
});
type Node = typeof node extends fc.Arbitrary<infer N> ? N : never;

/** A graph of objects with cycles and shared references; the same nodes give an equal graph each time. */
function build(nodes: readonly Node[]): unknown {
  const objects = nodes.map(({ kind, date, pattern, binary }) => {
    if (kind === "date") return new Date(date);
    if (kind === "regexp") return new RegExp(pattern);
    if (kind === "binary") return structuredCloneOf(binary);
    return kind === "object" ? {} : kind === "array" ? [] : kind === "map" ? new Map() : new Set();
  });
  nodes.forEach(({ keys, leaves, to, holes }, i) => {
    const held = [...leaves, ...to.map((target) => objects[target % objects.length])];
    const object = objects[i]!;
    held.forEach((value, place) => {
      const key = keys[place % keys.length]!;
      if (Array.isArray(object)) object[holes ? place * 2 + 1 : place] = value;
      else if (object instanceof Map) object.set(place % 2 ? key : value, value);
      else if (object instanceof Set) object.add(value);
      else if (Object.getPrototypeOf(object) === Object.prototype) {
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      }
    });
  });
  return objects[0];
}

function structuredCloneOf(binary: ArrayBufferView | ArrayBuffer): object {
  if (Buffer.isBuffer(binary)) return Buffer.from(binary);
  return ArrayBuffer.isView(binary) ? (binary as Uint8Array).slice() : binary.slice(0);
}

const graph = fc.array(node, { minLength: 1, maxLength: 12 });

it("any graph of plain data comes back as it was, without the graph lane, from any offset", () => {
  const codec = plainCodec();
  fc.assert(
    fc.property(graph, fc.nat(9), (nodes, offsetBytes) => {
      expect(differenceOf(throughBytes(codec, build(nodes), offsetBytes), build(nodes))).toBeUndefined();
    }),
    { numRuns: 1500 },
  );
});

it("any tree of fast-check comes back as it was", () => {
  const codec = createCodec(keepingLane());
  const options = {
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withSparseArray: true,
    withTypedArray: true,
    withObjectString: true,
    withUnicodeString: true,
  };
  fc.assert(
    fc.property(fc.anything(options), (value) => {
      expect(differenceOf(throughBytes(codec, value), value)).toBeUndefined();
    }),
    { numRuns: 2000 },
  );
});

it("one odd value anywhere in plain data sends the whole to the graph lane", () => {
  const codec = createCodec(keepingLane());
  fc.assert(
    fc.property(graph, fc.nat(), fc.constantFrom(...ODD_VALUES), (nodes, place, [, makeOdd]) => {
      const value = build(nodes);
      const holders = [...reachable(value)].filter((o) => o instanceof Map || o instanceof Set || isKeyed(o));
      fc.pre(holders.length > 0);
      const holder = holders[place % holders.length]!;
      const odd = makeOdd();
      if (holder instanceof Map) holder.set(`odd ${place}`, odd);
      else if (holder instanceof Set) holder.add(odd);
      else if (Array.isArray(holder)) holder.push(odd);
      else (holder as Record<string, unknown>)[`odd ${place}`] = odd;
      expect(laneOf(codec.encode(value, "value"))).toBe("graph");
    }),
    { numRuns: 1500 },
  );
});

const isKeyed = (o: object) => [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(o));

function reachable(value: unknown, seen = new Set<object>()): Set<object> {
  if (typeof value !== "object" || value === null || seen.has(value)) return seen;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return seen;
  const parts =
    value instanceof Map ? [...value.keys(), ...value.values()] : value instanceof Set ? [...value] : [];
  for (const part of [...parts, ...Object.values(value)]) reachable(part, seen);
  return seen;
}
