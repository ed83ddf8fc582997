// @ts-nocheck
import { table } from "./table.ts";

export const variables = table("captured variables");
const { works, worksWhile } = variables;

function fact(n) {
  return n < 2 ? 1 : n * fact(n - 1);
}
works("recursion", (n) => fact(n), [5], 120);
works("recursion, mapped directly", fact, [5], 120);
works(
  "recursion of a named function expression",
  function self(n) {
    return n < 2 ? 1 : n * self(n - 1);
  },
  [5],
  120,
);
function even(n) {
  return n === 0 ? true : odd(n - 1);
}
function odd(n) {
  return n === 0 ? false : even(n - 1);
}
works("mutual recursion", (n) => even(n), [10], true);

let calls = 0;
function fibonacci(n) {
  calls++;
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
{
  const original = fibonacci;
  const cache = new Map();
  fibonacci = (n) => {
    if (!cache.has(n)) cache.set(n, original(n));
    return cache.get(n);
  };
}
works(
  "declaration assigned anew (memoised)",
  (n) => {
    const r = fibonacci(n);
    return [r, calls < 40];
  },
  [25],
  [75025, true],
);
function replaced() {
  const old = "first";
  replaced = () => "second";
  return old;
}
works("function that assigns its own name", () => [replaced(), replaced()], [], ["first", "second"]);

let later = 1;
const readLater = () => later;
later = 2;
works("let changed before the call", () => readLater(), [], 2);
const loopFunctions = [];
for (let i = 0; i < 3; i++) loopFunctions.push(() => i * 10);
works("loop variable", () => loopFunctions.map((f) => f()), [], [0, 10, 20]);
works("shadowed name is not captured", (db) => [db].map((sock) => sock + 1)[0], [1], 2);
works(
  "catch, switch and label scopes",
  (() => {
    try {
      throw 5;
    } catch (e) {
      switch (e) {
        case 5: {
          let w = 6;
          return () => [e, w];
        }
      }
    }
  })(),
  [],
  [5, 6],
);
let moduleCount = 0;
const increment = () => {
  moduleCount++;
};
const read = () => moduleCount;
works(
  "module-level let, shared and assigned; fresh for each task",
  () => {
    increment();
    increment();
    return [moduleCount, read()];
  },
  [],
  [2, 2],
);

// Scopes: two functions of one call share its variables, those of two calls do not.
const counter = () => {
  let n = 0;
  return { inc: () => ++n, get: () => n };
};
const a = counter();
const b = counter();
works(
  "two counters of one factory",
  () => {
    a.inc();
    a.inc();
    b.inc();
    return [a.get(), b.get()];
  },
  [],
  [2, 1],
);
works(
  "two counters of one factory, met in another order",
  () => {
    const reads = [b.get, a.get];
    a.inc();
    b.inc();
    b.inc();
    return reads.map((get) => get());
  },
  [],
  [2, 1],
);
const many = Array.from({ length: 5 }, counter);
works(
  "five counters of one factory",
  () => {
    many.forEach((one, index) => {
      for (let i = 0; i < index; i++) one.inc();
    });
    return many.map((one) => one.get());
  },
  [],
  [0, 1, 2, 3, 4],
);
const sharing = (() => {
  let n = 0;
  const make = () => () => ++n;
  return [make(), make()];
})();
works("the same literal twice in one scope", () => [sharing[0](), sharing[1](), sharing[0]()], [], [1, 2, 3]);
const nested = () => {
  let outer = 0;
  const inner = () => {
    let own = 0;
    return () => [++outer, ++own];
  };
  return [inner(), inner()];
};
const [n1, n2] = nested();
const [n3] = nested();
works(
  "nested factories: outer variable shared, inner one not",
  () => [n1(), n2(), n1(), n3()],
  [],
  [
    [1, 1],
    [2, 1],
    [3, 2],
    [1, 1],
  ],
);
const twoFactories = [
  (() => {
    let n = 0;
    return () => ++n;
  })(),
  (() => {
    let n = 0;
    return () => ++n;
  })(),
];
works("equal variables of different factories", () => [twoFactories[0](), twoFactories[0](), twoFactories[1]()], [], [1, 2, 1]);
const withParameters = ({ start = 0, ...rest }, [step = 1] = []) => {
  let n = start;
  return { add: ({ by = step } = {}, ...more) => (n += by + more.length), get: () => [n, rest] };
};
const p1 = withParameters({}, []);
const p2 = withParameters({}, []);
works("counters with destructured parameters and defaults", () => [p1.add(), p1.add({ by: 5 }, 1), p2.add(), p1.get(), p2.get()], [], [
  1,
  7,
  1,
  [7, {}],
  [1, {}],
]);
const generators = () => {
  let n = 0;
  return {
    *next() {
      n++;
      yield n;
    },
    async later() {
      n += 10;
      return n;
    },
    get now() {
      return n;
    },
  };
};
const g1 = generators();
const g2 = generators();
works(
  "counters whose functions are generators, async methods, accessors",
  async () => [[...g1.next()], await g1.later(), g1.now, [...g2.next()], g2.now],
  [],
  [[1], 11, 11, [1], 1],
);
const accounts = () => {
  let total = 0;
  class Account {
    add(x) {
      total += x;
      return this;
    }
  }
  return { Account, total: () => total };
};
const bank1 = accounts();
const bank2 = accounts();
works(
  "a class and a function that share a variable, twice",
  () => {
    new bank1.Account().add(5);
    new bank2.Account().add(7);
    new bank1.Account().add(1);
    return [bank1.total(), bank2.total()];
  },
  [],
  [6, 7],
);
worksWhile(
  "variables of a frame that is still running",
  (capture) => {
    let n = 10;
    const up = () => ++n;
    return capture(() => [up(), n]);
  },
  [],
  [11, 11],
);
