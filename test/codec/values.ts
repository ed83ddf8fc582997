import type { LaneName } from "./test-lane.ts";

/** A value under a name, made anew each time, and the lane that takes it. */
export type NamedValue = readonly [what: string, lane: LaneName, make: () => unknown];

function cycle(): unknown {
  const parent: Record<string, unknown> = { name: "parent", children: [] };
  (parent["children"] as unknown[]).push({ parent }, { parent });
  return parent;
}

function sharing(): unknown {
  const shared = { in: "both" };
  return { a: shared, b: [shared], map: new Map([[shared, shared]]), set: new Set([shared]) };
}

function holdsItself(): unknown {
  const array: unknown[] = [1];
  array.push(array);
  return array;
}

function argumentsOf(): unknown {
  return (function () {
    // biome-ignore lint/complexity/noArguments: it is what is tested
    return arguments;
  })();
}

function sparse(length: number, ...at: number[]): unknown[] {
  const array: unknown[] = [];
  array.length = length;
  for (const i of at) array[i] = i;
  return array;
}

function listOf(length: number): unknown {
  let list: unknown = null;
  for (let i = 0; i < length; i += 1) list = { i, next: list };
  return list;
}

export const PLAIN_VALUES: readonly NamedValue[] = [
  ["undefined", "small", () => undefined],
  ["null", "small", () => null],
  ["true", "small", () => true],
  ["false", "small", () => false],
  ["0", "small", () => 0],
  ["−0", "small", () => -0],
  ["−1", "small", () => -1],
  ["2^30 − 1", "small", () => 2 ** 30 - 1],
  ["2^30", "small", () => 2 ** 30],
  ["−2^30", "small", () => -(2 ** 30)],
  ["−2^30 − 1", "small", () => -(2 ** 30) - 1],
  ["2^31", "small", () => 2 ** 31],
  ["2^53", "small", () => 2 ** 53],
  ["NaN", "small", () => Number.NaN],
  ["−Infinity", "small", () => Number.NEGATIVE_INFINITY],
  ["the smallest number", "small", () => Number.MIN_VALUE],
  ["0n", "small", () => 0n],
  ["a negative bigint", "small", () => -(2n ** 100n)],
  ["a huge bigint", "plain", () => 2n ** 400_000n],
  ["an empty string", "small", () => ""],
  ["a short string", "small", () => "item 1"],
  ["a string of Latin-1", "small", () => "caf\u00e9 \u00ff"],
  ["a string beyond Latin-1", "small", () => "\u65e5\u672c\u8a9e \u{1f600}"],
  ["half a surrogate pair", "small", () => "a\ud800"],
  ["halves the wrong way round", "small", () => "\udc00\ud800".repeat(20)],
  ["a string of 33 characters", "small", () => "x".repeat(33)],
  ["a string of 33 odd characters", "small", () => "\u65e5".repeat(33)],
  ["a string with NUL", "small", () => "a\0b"],
  ["a long string", "small", () => "x".repeat(1_000_000)],
  ["a long odd string", "small", () => "\u{1f600}x".repeat(100_000)],
  ["a long string with half a pair", "small", () => `${"x".repeat(100_000)}\ud800`],
  ["an empty object", "small", () => ({})],
  ["a small object", "small", () => ({ id: 1, name: "x", ok: true, none: null, nothing: undefined })],
  ["keys in their order", "small", () => ({ b: 1, a: 2, 10: 3, 2: 4, "": 5, "\u65e5": 6 })],
  ["an own __proto__", "small", () => JSON.parse('{"__proto__":{"x":1},"constructor":2,"toString":3}')],
  ["nested objects", "small", () => ({ a: { b: [{ c: [] }, [[]]] } })],
  ["a small array", "small", () => [1, "two", null, undefined, [3]]],
  ["an empty array", "small", () => []],
  ["a small sparse array", "small", () => sparse(5, 1, 3)],
  ["only holes", "small", () => sparse(3)],
  ["an array of 64", "small", () => Array.from({ length: 64 }, (_, i) => i)],
  ["a date", "small", () => new Date(1_700_000_000_123)],
  ["an invalid date", "small", () => new Date(Number.NaN)],
  ["dates in an object", "small", () => ({ from: new Date(0), to: new Date(-1) })],
  ["an array of 65", "plain", () => Array.from({ length: 65 }, (_, i) => i)],
  ["a thousand doubles", "plain", () => Array.from({ length: 1000 }, (_, i) => (i === 7 ? -0 : i / 3))],
  ["a thousand objects", "plain", () => Array.from({ length: 1000 }, (_, i) => ({ i, s: `\u65e5${i}` }))],
  ["a big sparse array", "plain", () => sparse(5000, 10, 4000)],
  ["a huge sparse array", "plain", () => sparse(4_000_000_000, 0, 3_999_999_998)],
  ["an array of undefined", "plain", () => new Array(100).fill(undefined)],
  [
    "an object of many properties",
    "plain",
    () => Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i])),
  ],
  ["a deep object", "plain", () => listOf(900)],
  ["a cycle", "plain", cycle],
  ["shared references", "plain", sharing],
  ["an array that holds itself", "plain", holdsItself],
  [
    "a Map",
    "plain",
    () =>
      new Map<unknown, unknown>([
        ["a", 1],
        [{ key: 1 }, [2]],
        [-0, Number.NaN],
      ]),
  ],
  ["a Set", "plain", () => new Set<unknown>(["a", { b: 1 }, Number.NaN])],
  ["an empty Map and Set", "plain", () => [new Map(), new Set()]],
  ["a RegExp", "plain", () => /a(?<n>b)\/[/]\u65e5/giu],
  ["a RegExp of all flags", "plain", () => [/a/dgimsuy, /[a&&b]/v]],
  ["boxed primitives", "plain", () => [Object(1), Object("s"), Object(false), Object(5n), Object(-0)]],
  [
    "typed arrays in an object",
    "plain",
    () => ({ f: new Float64Array([1, -0, Number.NaN]), b: new Uint8Array([1, 2]) }),
  ],
  [
    "a big typed array in an object",
    "plain",
    () => ({ s: "\u65e5x", data: new Float64Array(50_000).fill(1.5), u: new Uint8Array(20_001) }),
  ],
  [
    "Buffers in an object",
    "plain",
    () => [Buffer.from("small"), Buffer.from("pool"), Buffer.alloc(20_000, 7)],
  ],
  [
    "one typed array twice",
    "plain",
    () => ((data) => ({ a: data, b: data }))(new Uint8Array(30_000).fill(3)),
  ],
  ["an ArrayBuffer in an object", "plain", () => ({ buffer: new Uint8Array([1, 2, 3]).buffer })],
  ["a DataView in an object", "plain", () => ({ view: new DataView(new ArrayBuffer(10), 0, 10) })],
];

const BINARY_KINDS = [
  ...[
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
  ],
  ...["Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "DataView"],
].filter((name) => name in globalThis);

type ViewConstructor = new (buffer: ArrayBuffer) => ArrayBufferView;

export const BINARY_VALUES: readonly NamedValue[] = [
  ...[0, 8, 800, 200_000].flatMap((sizeBytes): NamedValue[] => [
    ...BINARY_KINDS.map((name): NamedValue => {
      const View = (globalThis as unknown as Record<string, ViewConstructor>)[name]!;
      return [`${name} of ${sizeBytes} bytes`, "bytes", () => new View(patternOf(sizeBytes))];
    }),
    [`ArrayBuffer of ${sizeBytes} bytes`, "bytes", () => patternOf(sizeBytes)],
    [`Buffer of ${sizeBytes} bytes`, "bytes", () => Buffer.from(patternOf(sizeBytes))],
  ]),
  ["a Buffer from Node's pool", "bytes", () => Buffer.from("pooled")],
];

function patternOf(sizeBytes: number): ArrayBuffer {
  return new Uint8Array(sizeBytes).map((_, i) => (i * 37) & 0xff).buffer;
}

class Point {
  x = 1;
}

/** What v8.serialize would send as something else, or not at all. */
export const ODD_VALUES: readonly (readonly [what: string, make: () => unknown])[] = [
  ["an instance of a class", () => new Point()],
  ["an object without prototype", () => Object.create(null)],
  ["an object of a plain object's prototype", () => Object.create({ inherited: 1 })],
  ["a function", () => () => 1],
  ["a symbol", () => Symbol("s")],
  ["a registered symbol", () => Symbol.for("s")],
  [
    "a getter",
    () => ({
      get x() {
        return 1;
      },
    }),
  ],
  ["a setter", () => ({ set x(_: number) {} })],
  ["a key that is a symbol", () => ({ [Symbol("k")]: 1 })],
  [
    "a property that isn't listed",
    () => Object.defineProperty({}, "x", { value: 1, writable: true, configurable: true }),
  ],
  [
    "a read-only property",
    () => Object.defineProperty({}, "x", { value: 1, enumerable: true, configurable: true }),
  ],
  [
    "a permanent property",
    () => Object.defineProperty({}, "x", { value: 1, enumerable: true, writable: true }),
  ],
  ["a frozen object", () => Object.freeze({ x: 1 })],
  ["a sealed array", () => Object.seal([1])],
  ["a frozen empty object", () => Object.freeze({})],
  ["an array with a property", () => Object.assign([1, 2], { note: "x" })],
  ["a long array with a property", () => Object.assign(new Array(1000).fill(0), { note: "x" })],
  [
    "a long array with a hidden property",
    () => Object.defineProperty(new Array(1000).fill(0), "note", { value: 1 }),
  ],
  ["a long array with a symbol", () => Object.assign(new Array(1000).fill(0), { [Symbol("k")]: 1 })],
  ["a huge sparse array with a property", () => Object.assign(sparse(3_000_000_000, 1), { note: "x" })],
  [
    "a huge sparse array with a getter",
    () =>
      Object.defineProperty(sparse(3_000_000_000, 1), 5, {
        get: () => 1,
        enumerable: true,
        configurable: true,
      }),
  ],
  ["a match of a RegExp", () => /a(b)/.exec("ab")],
  ["a subclass of Array", () => new (class Rows extends Array {})()],
  ["a subclass of Map", () => new (class Index extends Map {})()],
  ["a subclass of Uint8Array", () => new (class Bytes extends Uint8Array {})(2)],
  ["an Error", () => new Error("x")],
  ["an Error made to look plain", () => Object.setPrototypeOf(new Error("x"), Object.prototype)],
  ["a URL", () => new URL("http://x/")],
  ["a Promise", () => Promise.resolve()],
  ["a WeakMap", () => new WeakMap()],
  ["a proxy of an object", () => new Proxy({ x: 1 }, {})],
  ["a proxy of an array", () => new Proxy([1], {})],
  ["a proxy of bytes", () => new Proxy(new Uint8Array(2), {})],
  ["the arguments of a call", argumentsOf],
  ["a Map with a property", () => Object.assign(new Map(), { note: 1 })],
  ["a frozen Set", () => Object.freeze(new Set())],
  ["a Date with a property", () => Object.assign(new Date(0), { note: 1 })],
  ["a RegExp in the middle of a search", () => Object.assign(/a/g, { lastIndex: 1 })],
  ["a RegExp with a property", () => Object.assign(/a/, { note: 1 })],
  ["a boxed symbol", () => Object(Symbol("s"))],
  ["a boxed string with a property", () => Object.assign(Object("abc"), { note: 1 })],
  ["something that only claims to be a Date", () => Object.create(Date.prototype)],
  ["something that only claims to be a Map", () => Object.create(Map.prototype)],
  ["something that only claims to be bytes", () => Object.create(Uint8Array.prototype)],
  ["a typed array with a property", () => Object.assign(new Uint8Array(2), { note: 1 })],
  ["a long typed array with a property", () => Object.assign(new Float64Array(1000), { note: 1 })],
  ["a long Buffer with a property", () => Object.assign(Buffer.alloc(1000), { note: 1 })],
  [
    "two views of one memory",
    () => {
      const memory = new ArrayBuffer(16);
      return [new Uint8Array(memory), new Float64Array(memory)];
    },
  ],
  [
    "memory and a view of it",
    () => {
      const view = new Uint8Array(4);
      return { view, memory: view.buffer };
    },
  ],
  ["shared memory", () => new SharedArrayBuffer(8)],
  ["a view of shared memory", () => new Uint8Array(new SharedArrayBuffer(8))],
  ["resizable memory", () => new ArrayBuffer(8, { maxByteLength: 16 })],
  ["a view of resizable memory", () => new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 }))],
  ["a list of 20,000", () => listOf(20_000)],
];
