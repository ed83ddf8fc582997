// @ts-nocheck
import { table } from "./table.ts";

export const functions = table("kinds of function");
const { works } = functions;

works("arrow", () => 1, [], 1);
works("async arrow", async (x) => x + 1, [1], 2);
works(
  "function declaration",
  (() => {
    function double(a) {
      return a * 2;
    }
    return double;
  })(),
  [4],
  8,
);
works(
  "async function",
  async function (a) {
    await null;
    return a;
  },
  [4],
  4,
);
works(
  "generator inside",
  async (x) => {
    function* numbers() {
      yield x;
      yield 2;
    }
    return [...numbers()];
  },
  [1],
  [1, 2],
);
function* upTo(n) {
  for (let i = 0; i < n; i++) yield i;
}
async function* evenUpTo(n) {
  for (let i = 0; i < n; i++) yield i * 2;
}
works("generator captured", () => [...upTo(3)], [], [0, 1, 2]);
works(
  "async generator captured",
  async () => {
    const all = [];
    for await (const x of evenUpTo(3)) all.push(x);
    return all;
  },
  [],
  [0, 2, 4],
);
works(
  "method, bound",
  {
    m(x) {
      return x + this.k;
    },
    k: 2,
  }.m.bind({ k: 5 }),
  [1],
  6,
);
works(
  "async method with a computed key",
  {
    async ["comp" + "uted"](x) {
      return x;
    },
  }.computed,
  [3],
  3,
);
works(
  "getter function",
  Object.getOwnPropertyDescriptor(
    {
      get q() {
        return 9;
      },
    },
    "q",
  ).get,
  [],
  9,
);
const accessors = {
  _v: 3,
  get v() {
    return this._v * 2;
  },
  set v(x) {
    this._v = x;
  },
};
works(
  "object with accessors",
  () => {
    accessors.v = 10;
    return accessors.v;
  },
  [],
  20,
);
works(
  "bound function",
  function (a, b) {
    return [this.z, a, b];
  }.bind({ z: 1 }, 2),
  [3],
  [1, 2, 3],
);
const withCache = Object.assign((x) => withCache.cache.get(x) ?? "none", { cache: new Map([[1, "one"]]) });
works("function with own properties", (x) => [withCache(x), withCache.name], [1], ["one", ""]);
works(
  "functions in Map, array and object",
  (
    (h) => (x) =>
      h.get("a")[0].f(x)
  )(new Map([["a", [{ f: (y) => y * factor }]]])),
  [4],
  8,
);
const factor = 2;
const counting = (fn) => {
  let calls = 0;
  return (...a) => {
    calls++;
    return [fn(...a), calls];
  };
};
const wrapped = counting((x) => x + factor);
works("higher-order wrapper", (x) => [wrapped(x), wrapped(x)], [1], [
  [3, 1],
  [3, 2],
]);
const text = (s, ...v) => s.raw.join("|") + v.join();
works("tagged template", (x) => text`a${x}b${2}`, [1], "a|b|1,2");
works("default parameter referring outward", (a, b = factor + 1) => a + b, [1], 4);
works(
  "destructured parameters",
  ({ a, b: { c = factor } = {}, ...r }, [d, ...e]) => [a, c, r, d, e],
  [{ a: 1, q: 3 }, [4, 5, 6]],
  [1, 2, { q: 3 }, 4, [5, 6]],
);
works(
  "arguments captured by an arrow",
  (function () {
    return () => arguments[1];
  })(1, "two"),
  [],
  "two",
);
works(
  "new.target inside",
  () => {
    function F() {
      return new.target === F;
    }
    return [
      Reflect.construct(function () {
        this.a = new.target !== undefined;
      }, []).a,
      F() === false || typeof F(),
    ];
  },
  [],
  [true, true],
);
const owner = {
  __proto__: {
    hi() {
      return "proto";
    },
  },
  hi() {
    return `own ${super.hi()}`;
  },
};
works("object method with super", () => owner.hi(), [], "own proto");
works(
  "native functions",
  (
    (f, g, h) => () => [f(1, 2), typeof g, h.call([1, 2], (x) => x * 2)]
  )(Math.max, console.log, Array.prototype.map),
  [],
  [2, "function", [2, 4]],
);
works(
  "globals",
  () => [typeof console.log, typeof process.env.PATH, typeof fetch, structuredClone({ a: 1 }).a, typeof setTimeout],
  [],
  ["function", "string", "function", 1, "function"],
);
const env = process.env;
const global = globalThis;
works("process.env and globalThis as values", () => [env === process.env, global === globalThis], [], [true, true]);
works("function made by new Function", new Function("a", "return a + 1"), [1], 2);
const throwing = () => {
  try {
    null.x;
  } catch {
    return "caught";
  }
};
works("optional catch binding", () => throwing(), [], "caught");
const sized = Object.defineProperty((a, b = 1, ...c) => [a, b, c], "length", { value: 7 });
const natural = (a, b = 1, ...c) => [a, b, c];
works("length of a function, natural and changed", () => [natural.length, sized.length, fact2.length], [], [1, 7, 2]);
function fact2(a, b) {}
const frozenFn = Object.freeze(() => 1);
works("frozen function", () => [Object.isFrozen(frozenFn), frozenFn()], [], [true, 1]);
