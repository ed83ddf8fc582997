/**
 * A program for the tests of many Nodes: `node exchange.ts write` prints functions and values as this Node stores
 * them, `node exchange.ts read` takes such a text on its standard input and says what is wrong with it, if anything.
 */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { captureFunction, driverGraphLane, restoreFunction } from "../../src/capture/index.ts";

class Shape {
  #sides = 4;
  static made = 2;
  name = "square";
  describe(): string {
    return `${this.name} ${this.#sides} ${Shape.made}`;
  }
}
const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, text: `é${id}`, at: new Date(id) }));
const table = Array.from({ length: 2_000 }, (_, id) => ({
  id,
  text: `é${id}\ud800`,
  odd: id % 2 ? -0 : undefined,
  half: id / 2,
}));
const shape = new Shape();
const doubles = Float64Array.of(1.5, -0, Number.NaN);
let count = 0;
const next = (): number => ++count;

const functions: Record<string, () => unknown> = {
  "small values": () => [1n, -0, "text", /a/g.source, new Map([[1, new Set([2])]])],
  "class and instance": () => shape.describe(),
  "big data": () => [rows.length, rows[1_999]!.text, rows[3]!.at.getTime()],
  "a table": () => [table.length, table[1_999]!.text, table[7], Object.is(table[7]!.odd, -0)],
  "typed array": () => [doubles[0], Object.is(doubles[1], -0), doubles.length],
  "shared variable": () => [next(), next(), count],
  "import by the worker": async () => (await import("node:path")).posix.join("a", "b"),
};

const error = Object.assign(
  new TypeError("bad", { cause: new AggregateError([new RangeError("r")], "all") }),
  { code: 7 },
);
const values: Record<string, unknown> = {
  error,
  urls: [new URL("http://a.b/?c=d"), new URLSearchParams("e=f")],
  odd: [undefined, -0, 2n ** 70n, Symbol.for("s"), Symbol.iterator, new Date(5), /x/y],
  memory: { a: new Uint8Array([1, 2, 3]), b: Buffer.from("b"), c: new DataView(new ArrayBuffer(4)) },
  rows,
  table,
  bare: Object.assign(Object.create(null) as object, { a: 1 }),
};

if (process.argv[2] === "write") {
  const lane = driverGraphLane();
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const text = JSON.stringify({
    functions: Object.entries(functions).map(([name, fn]) => [name, base64(captureFunction(fn).bytes)]),
    values: Object.entries(values).map(([name, value]) => [name, base64(lane.encode(value, name))]),
  });
  process.stdout.write(text);
} else {
  type Stored = Record<"functions" | "values", [string, string][]>;
  const stored = JSON.parse(readFileSync(0, "utf8")) as Stored;
  const problems: string[] = [];
  for (const [name, text] of stored.functions) {
    const { call } = (await restoreFunction(new Uint8Array(Buffer.from(text, "base64")))).instance();
    const [expected, actual] = [await functions[name]!(), await call()];
    count = 0;
    if (!isDeepStrictEqual(actual, expected)) problems.push(`function ${name}: ${String(actual)}`);
  }
  for (const [name, text] of stored.values) {
    const actual = (await driverGraphLane().decode(
      new Uint8Array(Buffer.from(text, "base64")),
    )) as typeof error;
    if (name === "error") {
      // Two errors are never equal: their stacks differ.
      const { message, code, cause } = actual;
      const facts = [
        actual instanceof TypeError,
        message,
        code,
        cause instanceof AggregateError,
        (cause as AggregateError).errors[0] instanceof RangeError,
      ];
      if (!isDeepStrictEqual(facts, [true, "bad", 7, true, true])) problems.push(`error: ${String(facts)}`);
    } else if (!isDeepStrictEqual(actual, values[name])) problems.push(`value ${name}`);
  }
  process.stdout.write(JSON.stringify(problems));
}
