import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noFunctions } from "../../src/codec/graph/hooks.ts";
import type { GraphTable } from "../../src/codec/graph/nodes.ts";
import { packPlainBody, unpackPlainBody } from "../../src/codec/graph/plain-body.ts";
import { GraphReader } from "../../src/codec/graph/reader.ts";
import { tableOf } from "../../src/codec/graph/tables.ts";
import { GraphWriter } from "../../src/codec/graph/writer.ts";
import { StoreError } from "../../src/errors.ts";
import { differenceOf } from "./same.ts";

interface Written {
  readonly table: GraphTable;
  readonly bodies: Uint8Array[];
}

function write(value: unknown): Written {
  const writer = new GraphWriter(noFunctions);
  const root = writer.ref(value, { parent: undefined, text: "value" });
  writer.finish();
  const { nodes, plainBody, bodies } = writer;
  const rest = { imports: [], code: undefined, plainShared: false, attached: [], closed: false, name: "" };
  return { table: { ...rest, nodes, root, plainBody }, bodies };
}

const read = (graph: Written): unknown => new GraphReader(graph).read();
const roundTrip = (value: unknown): unknown => read(write(value));

/** Whether the value was written as columns. */
const hasTable = (graph: Written): boolean =>
  graph.table.plainBody >= 0 && graph.bodies[graph.table.plainBody]![0] === 1;

const rowsLike = (length: number, row: (at: number) => object): object[] =>
  Array.from({ length }, (_, at) => row(at));
const usual = (at: number): Record<string, unknown> => ({
  id: at,
  name: `row ${at}`,
  score: at / 3,
  even: at % 2 === 0,
});

/** An object that the writer gives a node of its own, however big its contents. */
const bare = (properties: object): object => Object.assign(Object.create(null) as object, properties);

describe("big arrays of objects of one shape", () => {
  it("come back as they were, in less than half of v8's bytes", () => {
    const rows = rowsLike(20_000, usual);
    const written = write(rows);
    expect(hasTable(written)).toBe(true);
    const bytes = written.bodies[written.table.plainBody]!;
    expect(bytes.byteLength).toBeLessThan(packPlainBody([rows], new Map()).byteLength / 2);
    expect(differenceOf(read(written), rows)).toBeUndefined();
  });

  const cell = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.constantFrom(-0, 0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, -(2 ** 31), 2 ** 31 - 1, 2 ** 53),
    fc.boolean(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "\ud800", "\udc00x", "ä", "\u{1f426}", "\0", "x".repeat(300)),
    fc.constantFrom(null, undefined, 1n, -(2n ** 70n)),
  );
  /** Cells of one kind, or of all. */
  const column = fc.oneof(
    fc.array(fc.integer(), { minLength: 1 }),
    fc.array(fc.double(), { minLength: 1 }),
    fc.array(fc.boolean(), { minLength: 1 }),
    fc.array(fc.string({ unit: "binary" }), { minLength: 1 }),
    fc.array(cell, { minLength: 1 }),
  );
  const name = fc.oneof(
    fc.string(),
    fc.constantFrom("0", "7", "4294967295", "-1", "1.5", "", "toString", "length"),
  );
  const shape = fc.dictionary(name, column, { minKeys: 1, maxKeys: 6, noNullPrototype: true });
  const usable = shape.filter((columns) => !("__proto__" in columns && Object.hasOwn(columns, "__proto__")));

  it("come back whatever their cells and names are", () => {
    fc.assert(
      fc.property(usable, fc.integer({ min: 1_001, max: 1_100 }), (columns, length) => {
        const rows = rowsLike(length, (at) =>
          Object.fromEntries(Object.entries(columns).map(([key, cells]) => [key, cells[at % cells.length]])),
        );
        const written = write(rows);
        expect(hasTable(written)).toBe(!Object.hasOwn(columns, "constructor"));
        expect(differenceOf(read(written), rows)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  const odd: [string, (row: Record<string, unknown>, rows: unknown[], at: number) => void][] = [
    ["a symbol", (row) => Object.assign(row, { [Symbol.for("s")]: 1 })],
    ["a hidden symbol", (row) => Object.defineProperty(row, Symbol.for("s"), { value: 1 })],
    ["a hidden property", (row) => Object.defineProperty(row, "hidden", { value: 1 })],
    ["a property that is hidden here", (row) => Object.defineProperty(row, "id", { enumerable: false })],
    ["a read-only property", (row) => Object.defineProperty(row, "id", { writable: false })],
    ["a property that can't be deleted", (row) => Object.defineProperty(row, "id", { configurable: false })],
    ["one property more", (row) => Object.assign(row, { more: 1 })],
    ["an element", (row) => Object.assign(row, { 3: 1 })],
    ["one property less", (row) => delete row["name"]],
    [
      "another order",
      (row) => {
        const { id } = row;
        delete row["id"];
        row["id"] = id;
      },
    ],
    ["no prototype", (row) => Object.setPrototypeOf(row, null)],
    [
      "an own __proto__",
      (row) =>
        Object.defineProperty(row, "__proto__", {
          value: 1,
          enumerable: true,
          writable: true,
          configurable: true,
        }),
    ],
    ["no extensions", (row) => Object.preventExtensions(row)],
    ["sealing", (row) => Object.seal(row)],
    ["frost", (row) => Object.freeze(row)],
    ["an object", (row) => (row["name"] = { a: 1 })],
    ["an array", (row) => (row["name"] = [1])],
    ["a date", (row) => (row["name"] = new Date(5))],
    ["a boxed number", (row) => (row["id"] = Object(5))],
    ["a symbol as value", (row) => (row["name"] = Symbol.for("v"))],
    ["itself", (row) => (row["name"] = row)],
    ["the list", (row, rows) => (row["name"] = rows)],
    ["a neighbour", (row, rows) => (row["name"] = rows[0])],
    ["a row that is there twice", (_row, rows, at) => (rows[at] = rows[at - 1])],
    ["a row that is there twice, far away", (_row, rows, at) => (rows[at] = rows[1])],
    ["a hole", (_row, rows, at) => delete rows[at]],
    ["null in a row's place", (_row, rows, at) => (rows[at] = null)],
    ["a text in a row's place", (_row, rows, at) => (rows[at] = "row")],
    ["a property of the list", (_row, rows) => Object.assign(rows, { extra: 1 })],
    ["a list that is frozen", (_row, rows) => Object.freeze(rows)],
  ];
  // In the first row, which gives the shape, in one that v8's neighbours surround, and in the last.
  it.each(odd)("come back with %s somewhere", (_what, spoil) => {
    for (const at of [2, 700, 1_199]) {
      for (const row of [usual, (k: number) => ({ id: "a", name: "b", k: k % 3 })]) {
        const make = () => {
          const rows = rowsLike(1_200, row);
          spoil(rows[at] as Record<string, unknown>, rows, at);
          return rows;
        };
        expect(differenceOf(roundTrip(make()), make())).toBeUndefined();
      }
    }
  });

  it.each(["get", "set"])("are not flattened where a row has an accessor (%s)", (kind) => {
    let calls = 0;
    const rows = rowsLike(1_200, usual);
    Object.defineProperty(rows[700]!, "score", {
      [kind]: () => {
        calls += 1;
      },
      enumerable: true,
      configurable: true,
    });
    expect(() => write(rows)).toThrow(/\[700\]\.score/);
    expect(calls).toBe(0);
  });

  it("are not flattened where a row is a proxy, whose traps aren't asked", () => {
    const trap = (): never => {
      throw new Error("asked");
    };
    const handler = { getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap, get: trap };
    const rows = rowsLike(1_200, usual);
    rows[1_000] = new Proxy(usual(1_000), handler);
    expect(tableOf(rows, () => false)).toBeUndefined();
  });

  it("stay one object with what else refers to a row, or to the list", () => {
    const rows = rowsLike(1_200, usual);
    const others = rowsLike(1_200, usual);
    others[3] = rows[3]!;
    const same = rowsLike(1_200, () => ({ a: 1, b: "x" }));
    const values: Record<string, unknown> = {
      // What is small beside them, or has a node of its own, is found by the writer; the rest by v8.
      row: new Map<unknown, unknown>([[rows, rows[5]]]),
      list: [rows, rows],
      lists: [rows, others],
      error: bare({ rows, row: rows[7] }),
      error2: bare({ rows, others }),
      equal: bare({ rows: same, row: same[9] }),
    };
    for (const [what, value] of Object.entries(values))
      expect(differenceOf(roundTrip(value), value), what).toBeUndefined();
  });

  it("keep the prototype of a row that has another", () => {
    const rows = rowsLike(1_200, usual);
    Object.setPrototypeOf(rows[700]!, { inherited: 1 });
    const back = roundTrip(rows) as { inherited?: number }[];
    expect(back[700]!.inherited).toBe(1);
    expect(back[699]!.inherited).toBeUndefined();
  });

  it("are distinct objects where all cells are equal", () => {
    const rows = rowsLike(1_200, () => ({ a: 1, b: "x" }));
    const written = write(rows);
    expect(hasTable(written)).toBe(true);
    expect(new Set(read(written) as object[]).size).toBe(1_200);
  });

  it("that are damaged say so, and never come back in part", () => {
    const written = write(rowsLike(1_200, usual));
    const body = written.bodies[written.table.plainBody]!;
    for (const length of [1, 7, 8, 20, 100, body.length >> 1, body.length - 600]) {
      expect(() => unpackPlainBody(body.subarray(0, length)), String(length)).toThrow(StoreError);
    }
    const more = Buffer.from(body);
    more.writeUInt32LE(body.length, 4);
    expect(() => unpackPlainBody(more)).toThrow(StoreError);
  });
});
