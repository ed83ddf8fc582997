// @ts-nocheck
import { table } from "./table.ts";

export const values = table("captured values");
const { works } = values;

const cycle = { name: "c", list: [] };
cycle.self = cycle;
cycle.list.push(cycle);
works("cyclic object", () => cycle.self.self.list[0] === cycle && cycle.name, [], "c");
const shared = { n: 0 };
const write = () => {
  shared.n += 1;
};
const readShared = () => shared.n;
works(
  "object shared by two functions",
  () => {
    write();
    write();
    return readShared();
  },
  [],
  2,
);
const map = new Map([
  [{ k: 1 }, new Set([1, 2n])],
  ["d", new Date(86400000)],
]);
works("Map, Set, Date, BigInt", () => [[...map.values()][0].has(2n), map.get("d").toISOString()], [], [true, "1970-01-02T00:00:00.000Z"]);
const pattern = /a(b)?/giu;
pattern.lastIndex = 2;
works("RegExp with lastIndex", () => [pattern.source, pattern.flags, pattern.lastIndex], [], ["a(b)?", "giu", 2]);
const doubles = new Float64Array([1, 2, 3]);
const tail = doubles.subarray(1);
const view = new DataView(doubles.buffer, 8);
const bytes = Buffer.from("héllo");
works(
  "typed arrays sharing memory, Buffer, DataView",
  () => {
    doubles[1] = 9;
    return [tail[0], view.getFloat64(0, true), bytes.toString(), Buffer.isBuffer(bytes), tail.buffer === doubles.buffer];
  },
  [],
  [9, 9, "héllo", true, true],
);
const pooled = Buffer.from("abcdef");
const part = pooled.subarray(2, 4);
const other = Buffer.from("other");
works(
  "Buffers that overlap share memory, others don't",
  () => {
    part[0] = 88;
    return [pooled.toString(), other.toString(), pooled.buffer === other.buffer, pooled.buffer.byteLength < 100];
  },
  [],
  ["abXdef", "other", false, true],
);
const resizable = new ArrayBuffer(4, { maxByteLength: 8 });
const tracking = new Uint8Array(resizable);
works(
  "resizable ArrayBuffer",
  () => {
    resizable.resize(8);
    return tracking.length;
  },
  [],
  8,
);
const error = new TypeError("outer", { cause: new Error("inner") });
works(
  "Error with cause",
  () => [error instanceof TypeError, error.message, error.cause.message, error.stack.includes("outer"), Object.keys(error)],
  [],
  [true, "outer", "inner", true, []],
);
const aggregate = new AggregateError([new RangeError("a"), 2], "all");
works("AggregateError", () => [aggregate instanceof AggregateError, aggregate.errors[0] instanceof RangeError, aggregate.errors[1]], [], [true, true, 2]);
const aborted = new DOMException("gone", "AbortError");
works("DOMException", () => [aborted instanceof DOMException, aborted.name, aborted.message, aborted.code], [], [true, "AbortError", "gone", 20]);
const url = new URL("https://a.b/c?d=e");
works("URL", () => url.searchParams.get("d") + url.host, [], "ea.b");
const registered = Symbol.for("reg");
const known = Symbol.iterator;
const unique = Symbol("uniq");
const keyed = { [unique]: 1, [registered]: 2 };
works(
  "symbols: registered, well-known, unique",
  () => [keyed[unique], keyed[Symbol.for("reg")], known === Symbol.iterator, unique.description],
  [],
  [1, 2, true, "uniq"],
);
const frozen = Object.freeze({ a: { b: 1 } });
const sealed = Object.seal([1, 2]);
works("frozen and sealed objects", () => [Object.isFrozen(frozen), frozen.a.b, Object.isSealed(sealed), sealed[1]], [], [true, 1, true, 2]);
const proxy = new Proxy({ a: 1 }, { get: (o, k) => (k in o ? o[k] : `no ${String(k)}`) });
works("Proxy", () => [proxy.a, proxy.zz], [], [1, "no zz"]);
const odd = [NaN, -0, Infinity, undefined, null, , "x"];
works(
  "NaN, -0, holes, undefined",
  () => [Number.isNaN(odd[0]), Object.is(odd[1], -0), odd[2] === Infinity, 5 in odd, odd.length, 3 in odd],
  [],
  [true, true, true, false, 7, true],
);
const sparse = [];
sparse[1000] = 1;
sparse.name = "sparse";
works("sparse array with a named property", () => [sparse.length, 0 in sparse, sparse[1000], sparse.name], [], [1001, false, 1, "sparse"]);
const bare = Object.create(null, { h: { value: 1, enumerable: false } });
works("null prototype, not enumerable", () => [Object.getPrototypeOf(bare), bare.h, Object.keys(bare).length], [], [null, 1, 0]);
const deep = (() => {
  let o = { v: 0 };
  for (let i = 0; i < 20000; i++) o = { next: o };
  return o;
})();
works(
  "list 20,000 deep",
  () => {
    let n = 0;
    let o = deep;
    while (o.next) {
      o = o.next;
      n++;
    }
    return n;
  },
  [],
  20000,
);
const boxed = [Object("text"), Object(5), Object(true), Object(7n)];
works("boxed primitives", () => boxed.map((x) => [typeof x, typeof x.valueOf()].join()), [], [
  "object,string",
  "object,number",
  "object,boolean",
  "object,bigint",
]);
const args = (function () {
  return arguments;
})(1, "b");
works("arguments object", () => [Object.prototype.toString.call(args), [...args]], [], ["[object Arguments]", [1, "b"]]);
const protoKey = JSON.parse('{"__proto__": {"a": 1}, "b": 2}');
works("own key __proto__", () => [Object.keys(protoKey), protoKey.b, Object.getPrototypeOf(protoKey) === Object.prototype], [], [["__proto__", "b"], 2, true]);
const params = new URLSearchParams("a=1&b=2");
works("URLSearchParams", () => params.get("b"), [], "2");
class Reducible {
  constructor(x) {
    this.x = x;
    this.live = { then: "not data" };
  }
  [Symbol.for("kinglet.reduce")]() {
    return [(x) => new Reducible(x + 1), [this.x]];
  }
}
const reducible = new Reducible(1);
works("the author's own way (kinglet.reduce)", () => [reducible.x, reducible instanceof Reducible], [], [2, true]);
const rows = Array.from({ length: 5000 }, (_, id) => ({ id, tags: ["a", `b${id % 7}`], at: new Date(id) }));
const index = new Map(rows.map((row) => [row.id, row]));
works(
  "big plain data keeps its shared references",
  () => [rows.length, index.get(17) === rows[17], rows[4999].tags[1], rows[3].at.getTime()],
  [],
  [5000, true, "b1", 3],
);
const someRow = rows[5];
const holder = { someRow, get first() { return rows[0]; } };
works("an object of big data that is also reached from elsewhere", () => [holder.someRow === rows[5], holder.first === rows[0], someRow === rows[5]], [], [true, true, true]);
const bigWithFunction = Array.from({ length: 3000 }, (_, i) => ({ i, f: i === 2999 ? () => "last" : undefined }));
works("a function at the end of big data", () => bigWithFunction[2999].f(), [], "last");
works(
  "writing to big shared data throws",
  () => {
    "use strict";
    const attempts = [() => (rows[0].id = 9), () => rows.push(1), () => index.set(1, 2), () => rows[0].at.setTime(0), () => delete rows[0].id];
    return attempts.map((attempt) => {
      try {
        attempt();
        return "written";
      } catch (e) {
        return e.constructor.name;
      }
    });
  },
  [],
  ["TypeError", "TypeError", "TypeError", "TypeError", "TypeError"],
);
const bigBytes = new Float64Array(20000).fill(1);
works(
  "big typed arrays are fresh for each task",
  () => {
    bigBytes[0] += 1;
    return bigBytes[0];
  },
  [],
  2,
);
