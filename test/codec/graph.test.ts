import { serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packGraph, unpackGraph } from "../../src/codec/graph/envelope.ts";
import { noFunctions } from "../../src/codec/graph/hooks.ts";
import type { GraphTable } from "../../src/codec/graph/nodes.ts";
import { GraphReader } from "../../src/codec/graph/reader.ts";
import { registerClass } from "../../src/codec/graph/registry.ts";
import { GraphWriter } from "../../src/codec/graph/writer.ts";
import { StoreError, UnserializableError } from "../../src/errors.ts";

function write(value: unknown, rootName = "value"): Uint8Array {
  const writer = new GraphWriter(noFunctions);
  const root = writer.ref(value, { parent: undefined, text: rootName });
  writer.finish();
  const table: GraphTable = {
    nodes: writer.nodes,
    root,
    imports: [],
    code: undefined,
    plainBody: writer.plainBody,
    plainShared: false,
    attached: [],
    closed: false,
    name: "",
  };
  return packGraph({ table, bodies: writer.bodies });
}

function read(bytes: Uint8Array): unknown {
  return new GraphReader(unpackGraph(bytes)).read();
}

function roundTrip<T>(value: T): T {
  return read(write(value)) as T;
}

describe("values that come back as they were", () => {
  const cause = new RangeError("why");
  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["-0", -0],
    ["NaN", Number.NaN],
    ["-Infinity", Number.NEGATIVE_INFINITY],
    ["bigint", 2n ** 80n],
    ["text", "héllo \u{1f426} \ud800"],
    ["array with holes", Object.assign(new Array(5), { 0: 1, 3: undefined })],
    ["array with named properties", Object.assign([1, 2], { index: 3 })],
    ["match of a regular expression", /(?<a>x)/.exec("yx")],
    ["nested", { a: [{ b: new Map([[{ c: 1 }, new Set(["d", 2n])]]) }] }],
    ["Date", new Date(1234567890123)],
    ["invalid Date", new Date(Number.NaN)],
    ["RegExp", /a(b)?\//giu],
    ["URL", new URL("https://a.b/c?d=e#f")],
    ["Buffer", Buffer.from([1, 2, 3])],
    ["Float64Array", Float64Array.of(1.5, Number.NaN, -0)],
    ["BigInt64Array", BigInt64Array.of(1n, -1n)],
    ["empty typed array", new Uint16Array(0)],
    ["ArrayBuffer", Uint8Array.of(1, 2, 3).buffer],
    ["DataView", new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2)],
    ["Error with cause and code", Object.assign(new TypeError("bad", { cause }), { code: "E1" })],
    ["AggregateError", new AggregateError([cause, 1], "all")],
    ["boxed values", [Object(1), Object("ab"), Object(false), Object(3n)]],
    ["registered and known symbols", [Symbol.for("a"), Symbol.iterator]],
    ["key __proto__", JSON.parse('{"__proto__":{"a":1}}')],
    ["builtins", [Math.max, JSON, globalThis, Array.prototype.map, process.env]],
    ["null prototype", Object.assign(Object.create(null), { a: 1 })],
    ["long array of primitives", Array.from({ length: 100 }, (_, i) => (i % 2 ? i : `s${i}`))],
  ])("%s", (_name, value) => {
    expect(roundTrip(value)).toStrictEqual(value);
  });

  test("identity: cycles, shared references, keys", () => {
    const key = {};
    const value: Record<string, unknown> = { list: [], map: new Map([[key, 1]]), key };
    value["self"] = value;
    (value["list"] as unknown[]).push(value["list"], value);
    const back = roundTrip(value) as typeof value & {
      list: unknown[];
      map: Map<object, number>;
      key: object;
    };
    expect(back["self"]).toBe(back);
    expect(back.list[0]).toBe(back.list);
    expect(back.list[1]).toBe(back);
    expect(back.map.get(back.key)).toBe(1);
  });

  test("an error's stack, as text and not enumerable", () => {
    const error = new Error("x");
    const back = roundTrip(error);
    expect(back.stack).toBe(error.stack);
    expect(Object.keys(back)).toEqual([]);
    expect(
      Object.getOwnPropertyDescriptor(roundTrip(Object.assign(error, { stack: "mine" })), "stack")?.value,
    ).toBe("mine");
  });

  test("property attributes, accessors of builtins, integrity", () => {
    const value = Object.defineProperties(
      {},
      {
        hidden: { value: 1, configurable: true },
        fixed: { value: 2, enumerable: true },
      },
    );
    expect(Object.getOwnPropertyDescriptors(roundTrip(value))).toEqual(
      Object.getOwnPropertyDescriptors(value),
    );
    expect(Object.isFrozen(roundTrip(Object.freeze([1])))).toBe(true);
    expect(Object.isSealed(roundTrip(Object.seal({ a: 1 })))).toBe(true);
    expect(Object.isExtensible(roundTrip(Object.preventExtensions({ a: 1 })))).toBe(false);
  });

  test("views of one memory, and of memory that grows", () => {
    const memory = new ArrayBuffer(16);
    const { a, b } = roundTrip({ a: new Float64Array(memory), b: new Uint8Array(memory, 8, 4) });
    expect(b.buffer).toBe(a.buffer);
    expect([b.byteOffset, b.length]).toEqual([8, 4]);
    const growing = roundTrip(new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 })));
    growing.buffer.resize(6);
    expect(growing.length).toBe(6);
  });

  test("of Node's pool of Buffers nothing but the Buffers' own bytes", () => {
    const secret = Buffer.from("top secret");
    const bytes = write([Buffer.from("mine"), Buffer.from("other")]);
    expect(secret.buffer.byteLength).toBe(Buffer.poolSize);
    expect(Buffer.from(bytes).includes("top secret")).toBe(false);
    expect(bytes.byteLength).toBeLessThan(1_000);
  });

  test("lists nested 50,000 deep", () => {
    let list: unknown = null;
    for (let i = 0; i < 50_000; i++) list = { next: list };
    let depth = 0;
    for (let at = roundTrip(list) as { next: unknown } | null; at; at = at.next as typeof at) depth++;
    expect(depth).toBe(50_000);
  });
});

describe("big plain data", () => {
  const rows = Array.from({ length: 5_000 }, (_, id) => ({
    id,
    tags: ["a", `b${id % 7}`],
    at: new Date(id),
  }));

  test("is written about as small as v8 does", () => {
    expect(write(rows).byteLength).toBeLessThan(serialize(rows).byteLength + 1_000);
    expect(roundTrip(rows)).toEqual(rows);
  });

  test("keeps its identity with whatever else refers to its objects", () => {
    const value = {
      index: new Map(rows.map((row) => [row.id, row])),
      first: rows[0],
      url: new URL("http://a.b/"),
      rows,
    };
    const back = roundTrip(value);
    expect(back.first).toBe(back.rows[0]);
    expect(back.index.get(4_999)).toBe(back.rows[4_999]);
    expect(back.url).toEqual(value.url);
  });

  test.each<
    [string, (row: Record<string, unknown>) => void, (row: Record<string, unknown>) => unknown, unknown]
  >([
    [
      "a hidden property",
      (row) => Object.defineProperty(row, "n", { value: 1, configurable: true, writable: true }),
      (row) => [Object.keys(row).includes("n"), row["n"]],
      [false, 1],
    ],
    [
      "a symbol key",
      (row) => Object.assign(row, { [Symbol.for("s")]: 1 }),
      (row) => (row as Record<symbol, unknown>)[Symbol.for("s")],
      1,
    ],
    [
      "an object that takes no more properties",
      (row) => Object.preventExtensions(row),
      (row) => Object.isExtensible(row),
      false,
    ],
    ["a frozen object", (row) => Object.freeze(row), (row) => Object.isFrozen(row), true],
    [
      "a URL",
      (row) => Object.assign(row, { url: new URL("http://a.b/") }),
      (row) => row["url"] instanceof URL,
      true,
    ],
    [
      "another prototype",
      (row) => Object.setPrototypeOf(row, null),
      (row) => Object.getPrototypeOf(row),
      null,
    ],
    [
      "a RegExp's lastIndex",
      (row) => Object.assign(row, { re: Object.assign(/a/g, { lastIndex: 3 }) }),
      (row) => (row["re"] as RegExp).lastIndex,
      3,
    ],
    [
      "a typed array sharing memory",
      (row) => ((m) => Object.assign(row, { a: new Uint8Array(m), m }))(new ArrayBuffer(4)),
      (row) => (row["a"] as Uint8Array).buffer === row["m"],
      true,
    ],
  ])("with %s somewhere in it", (_name, change, look, expected) => {
    const odd = rows.map((row) => ({ ...row }));
    change(odd[3_210]!);
    expect(look(roundTrip(odd)[3_210]!)).toEqual(expected);
  });

  test("a cycle in it", () => {
    const ring = Array.from({ length: 3_000 }, (_, id): { id: number; next?: object } => ({ id }));
    ring.forEach((node, index) => {
      node.next = ring[(index + 1) % ring.length]!;
    });
    const back = roundTrip(ring);
    expect(back[2_999]!.next).toBe(back[0]);
  });

  test("a long array with a named property", () => {
    const list = Object.assign(
      Array.from({ length: 3_000 }, (_, i) => ({ i })),
      { total: new URL("http://a.b/") },
    );
    expect(roundTrip(list).total).toEqual(list.total);
  });
});

test("any value comes back equal", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withSparseArray: true,
    withTypedArray: true,
    withObjectString: true,
    maxDepth: 4,
  });
  fc.assert(
    fc.property(anything, (value) => {
      expect(roundTrip(value)).toStrictEqual(value);
    }),
    { numRuns: 1_000 },
  );
});

test("any graph of shared references comes back with the same shape", () => {
  const edges = fc.array(fc.tuple(fc.nat(30), fc.nat(30), fc.constantFrom("object", "map", "set", "array")), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(edges, fc.boolean(), (list, big) => {
      const nodes = Array.from({ length: 31 }, (_, id) => ({
        id,
        out: [] as unknown[],
        map: new Map(),
        set: new Set(),
        pad: big ? "x".repeat(4_000) : "",
      }));
      for (const [from, to, kind] of list) {
        if (kind === "map") nodes[from]!.map.set(nodes[to], nodes[from]);
        else if (kind === "set") nodes[from]!.set.add(nodes[to]);
        else nodes[from]!.out.push(kind === "array" ? [nodes[to]] : nodes[to]);
      }
      const back = roundTrip(nodes);
      const idOf = (value: unknown): unknown =>
        Array.isArray(value) ? [idOf(value[0])] : back.indexOf(value as never);
      const wanted = (value: unknown): unknown =>
        Array.isArray(value) ? [wanted(value[0])] : nodes.indexOf(value as never);
      back.forEach((node, id) => {
        expect(node.out.map(idOf)).toEqual(nodes[id]!.out.map(wanted));
        expect([...node.map].map(([k, v]) => [idOf(k), idOf(v)])).toEqual(
          [...nodes[id]!.map].map(([k, v]) => [wanted(k), wanted(v)]),
        );
        expect([...node.set].map(idOf)).toEqual([...nodes[id]!.set].map(wanted));
      });
    }),
    { numRuns: 200 },
  );
});

describe("values that can't be sent", () => {
  test.each<[string, unknown, RegExp]>([
    [
      "WeakMap",
      { rows: [1, 2, { w: new WeakMap() }] },
      /^result\.rows\[2\]\.w can't be sent: it is a WeakMap/,
    ],
    ["Promise", { "a b": Promise.resolve() }, /^result\["a b"\] can't be sent: it is a Promise/],
    ["in a Map", new Map([["k", [new WeakSet()]]]), /^result\.get\("k"\)\[0\] can't/],
    ["generator", [(function* () {})()], /^result\[0\] can't be sent: it is a running Generator/],
    ["function, without capture", { f: () => 1 }, /^result\.f can't be sent: it is a function/],
  ])("%s: the error names the way to it", (_name, value, message) => {
    expect(() => write(value, "result")).toThrow(UnserializableError);
    expect(() => write(value, "result")).toThrow(message);
    const path = /^(.*?) can't/.exec(captureError(() => write(value, "result")).message)![1];
    expect(captureError(() => write(value, "result"))).toMatchObject({ code: "UNSERIALIZABLE", path });
  });
});

function captureError(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("registered classes", () => {
  class Handle {
    readonly key: string;
    readonly #cache = new Map();
    constructor(key: string) {
      this.key = key;
    }
    size(): number {
      return this.#cache.size;
    }
  }
  class Plain extends Error {
    override name = "Plain";
  }
  registerClass("test.Handle", Handle, {
    encode: (handle) => ({ key: handle.key }),
    decode: ({ key }: { key: string }) => new Handle(key),
  });
  registerClass("test.Plain", Plain);

  test("travel as what they say they are", () => {
    const { a, b } = roundTrip({ a: new Handle("k"), b: [new Handle("l")] });
    expect(a).toBeInstanceOf(Handle);
    expect([a.key, a.size(), b[0]!.key]).toEqual(["k", 0, "l"]);
  });

  test("without an encoding keep their own properties", () => {
    const back = roundTrip(Object.assign(new Plain("x"), { code: 3 }));
    expect(back).toBeInstanceOf(Plain);
    expect(back).toMatchObject({ message: "x", code: 3, name: "Plain" });
  });

  test("are missed where nobody registered them", () => {
    const bytes = write(new Handle("k"));
    const text = Buffer.from(bytes).toString("latin1").replaceAll("test.Handle", "test.Nobody");
    expect(() => read(Buffer.from(text, "latin1"))).toThrow(/no class is registered as "test.Nobody"/);
  });
});

describe("stored bytes", () => {
  test("of a newer Kinglet are refused", () => {
    const bytes = write({ a: 1 });
    bytes[0] = 99;
    expect(() => read(bytes)).toThrow(StoreError);
    expect(captureError(() => read(bytes))).toMatchObject({ code: "STORE_VERSION" });
  });

  test("that are cut short or damaged are refused, never read as something else", () => {
    const bytes = write({ a: new Float64Array(10), rows: ["x", new URL("http://a.b/")] });
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(captureError(() => read(bytes.slice(0, length)))).toMatchObject({ code: "STORE_CORRUPT" });
    }
  });
});
