import path from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { captureFunction, captureModule, restoreFunction } from "../../src/capture/index.ts";
import { CaptureError, StoreError, UsageError } from "../../src/errors.ts";

// Restored in this very process: what needs another one is tested in forms.test.ts.
async function restore(fn: (...args: never[]) => unknown) {
  return restoreFunction(captureFunction(fn).bytes);
}

describe("a captured function", () => {
  const factor = 3;
  const scale = (x: number) => x * factor;

  test("says its name, its place in the user's file, and a hash of its bytes", () => {
    const captured = captureFunction(scale);
    expect(captured).toMatchObject({
      name: "scale",
      location: expect.stringMatching(/^test\/capture\/capture\.test\.ts:\d+:\d+$/),
    });
    expect(captured.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("has the same hash each time, and another one when a captured value differs", () => {
    const make = (n: { v: number }) => () => n.v;
    const [one, same, other] = [make({ v: 1 }), make({ v: 1 }), make({ v: 2 })];
    expect(captureFunction(one).hash).toBe(captureFunction(same).hash);
    expect(captureFunction(one).hash).not.toBe(captureFunction(other).hash);
  });

  test("is captured once if nothing it uses can change", () => {
    const noop = () => {};
    expect(captureFunction(noop)).toBe(captureFunction(noop));
    expect(captureFunction(scale)).toBe(captureFunction(scale));
  });

  test("is captured anew if something has changed since", async () => {
    let n = 1;
    const data = { v: 1 };
    const read = () => [n, data.v, (read as { extra?: number }).extra];
    const values = async () => (await restore(read)).instance().call();
    expect(await values()).toEqual([1, 1, undefined]);
    n = 2;
    data.v = 5;
    Object.assign(read, { extra: 7 });
    expect(await values()).toEqual([2, 5, 7]);
    const alone = () => (alone as { extra?: number }).extra;
    expect((await restore(alone)).instance().call()).toBeUndefined();
    Object.assign(alone, { extra: 8 });
    expect((await restore(alone)).instance().call()).toBe(8);
  });

  test("whose own constant array changes is captured anew, however big it is", async () => {
    const rows = Array.from({ length: 2_000 }, (_, id) => ({ id }));
    const first = () => rows[0]!.id;
    expect((await restore(first)).instance().call()).toBe(0);
    rows[0]!.id = 9;
    expect((await restore(first)).instance().call()).toBe(9);
  });
});

describe("an instance", () => {
  test("is the same function each time if nothing captured can change", async () => {
    const add = (a: number, b: number) => a + b;
    const restored = await restore((x: number) => add(x, 1));
    expect(restored.instance().call).toBe(restored.instance().call);
    expect(restored.instance().call(1)).toBe(2);
  });

  test.each<[string, () => (...args: never[]) => unknown]>([
    [
      "an assigned variable",
      () => {
        let n = 0;
        return () => ++n;
      },
    ],
    [
      "an assigned variable of a helper",
      () => {
        let n = 0;
        const up = () => ++n;
        return () => up();
      },
    ],
    [
      "an object",
      () => {
        const o = { n: 0 };
        return () => ++o.n;
      },
    ],
    [
      "a Map",
      () => {
        const m = new Map([["n", 0]]);
        return () => {
          m.set("n", m.get("n")! + 1);
          return m.get("n");
        };
      },
    ],
    [
      "a typed array",
      () => {
        const a = new Uint8Array(1);
        return () => ++a[0]!;
      },
    ],
    [
      "a static of a class",
      () => {
        class C {
          static n = 0;
          v = 0;
        }
        return () => ++C.n;
      },
    ],
    [
      "a property of a function",
      () => {
        const f = Object.assign(() => 0, { n: 0 });
        return () => ++f.n;
      },
    ],
    [
      "a property that a function gets",
      () => {
        const f = () => 0;
        return () => ((f as { n?: number }).n = ((f as { n?: number }).n ?? 0) + 1);
      },
    ],
    [
      "a property of the function itself",
      () => {
        const f: { (): number; n?: number } = function self(): number {
          const me = self as { n?: number };
          me.n = (me.n ?? 0) + 1;
          return me.n;
        };
        return f;
      },
    ],
    [
      "a prototype",
      () => {
        class C {
          n = 0;
        }
        return () => ((C.prototype as { m?: number }).m = ((C.prototype as { m?: number }).m ?? 0) + 1);
      },
    ],
    [
      "a function's own name",
      () => {
        let f = (): number => {
          const n = 1;
          f = () => n + 1;
          return n;
        };
        return () => f();
      },
    ],
    [
      "a closure's variable passed on",
      () => {
        const c = (() => {
          let n = 0;
          return () => ++n;
        })();
        const list = [c];
        return () => list.map((f) => f())[0];
      },
    ],
    ["a bound argument", () => ((o: { n: number }) => ++o.n).bind(null, { n: 0 })],
  ])("has fresh %s", async (_what, make) => {
    const restored = await restore(make());
    for (let task = 0; task < 3; task++) expect(restored.instance().call()).toBe(1);
    const { call } = restored.instance();
    call();
    expect(call()).toBe(2);
  });

  test("shares big plain data with the others, read-only", async () => {
    const rows = Array.from({ length: 2_000 }, (_, id) => ({ id, tags: new Set([id]), at: new Date(id) }));
    const restored = await restore(() => rows);
    const [a, b] = [restored.instance().call(), restored.instance().call()] as (typeof rows)[];
    expect(a).toBe(b);
    expect(a).not.toBe(rows);
    const writes = [
      () => (a![0]!.id = 1),
      () => a!.push(a![0]!),
      () => a!.sort(),
      () => a![0]!.tags.add(5),
      () => a![0]!.at.setFullYear(2000),
      () => delete (a![0] as { id?: number }).id,
      () => Object.assign(a![0]!, { more: 1 }),
    ];
    for (const write of writes) expect(write).toThrow(TypeError);
    expect(a).toEqual(rows);
  });

  test("has big typed arrays of its own", async () => {
    const bytes = new Uint8Array(100_000);
    const restored = await restore(() => ++bytes[7]!);
    expect([restored.instance().call(), restored.instance().call()]).toEqual([1, 1]);
  });

  test("shares one variable between all that captured it", async () => {
    const counter = () => {
      let n = 0;
      return { inc: () => ++n, get: () => n };
    };
    const [a, b] = [counter(), counter()];
    const restored = await restore(() => {
      a.inc();
      a.inc();
      b.inc();
      return [a.get(), b.get()];
    });
    expect(restored.instance().call()).toEqual([2, 1]);
    expect([a.get(), b.get()]).toEqual([0, 0]);
  });
});

test("capturing runs no code of the user's", () => {
  let ran = 0;
  const counter = (from = ++ran) => {
    let n = from;
    return {
      inc: (by = ++ran) => {
        ran++;
        n += by;
        return n;
      },
      get now() {
        ran++;
        return n;
      },
    };
  };
  const [a, b] = [counter(0), counter(0)];
  class Noisy {
    #n = 0;
    constructor() {
      this.#n = 1;
    }
    get value() {
      ran++;
      return this.#n;
    }
    toJSON() {
      ran++;
    }
    [Symbol.toPrimitive]() {
      ran++;
      return 1;
    }
  }
  const noisy = new Noisy();
  const lazy = {
    get value() {
      ran++;
      return 1;
    },
  };
  captureFunction(() => [a.inc(), b.inc(), a.now, noisy.value, lazy.value]);
  expect(ran).toBe(0);
});

describe("any captured values", () => {
  test("arrive equal, however they are held", async () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withTypedArray: true,
      maxDepth: 3,
    });
    await fc.assert(
      fc.asyncProperty(anything, anything, async (one, two) => {
        let held: unknown = one;
        const object = { two, again: one };
        const all = () => [held, object.two, object.again];
        const restored = await restore(all);
        expect(restored.instance().call()).toStrictEqual([one, two, one]);
        held = undefined;
      }),
      { numRuns: 150 },
    );
  });

  test("any pattern of counters made by one factory keeps them apart", async () => {
    const steps = fc.array(fc.tuple(fc.nat(3), fc.constantFrom("inc", "get", "add")), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }), async (list, starts) => {
        const make = (start: number) => {
          let n = start;
          const shared = { inc: () => ++n, get: () => n };
          return { ...shared, add: () => (n += 10) };
        };
        const counters = starts.map(make);
        const run = () => list.map(([which, what]) => counters[which]![what as "inc"]());
        const restored = await restore(run);
        const expected = run.call(undefined);
        expect(restored.instance().call()).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });
});

describe("a module in place of a closure", () => {
  const file = path.join(import.meta.dirname, "fixtures/tasks.ts");

  test.each([
    ["a path", file],
    ["a URL", pathToFileURL(file)],
    ["a URL as text", pathToFileURL(file).href],
    ["a path relative to the working directory", `./${path.relative(process.cwd(), file)}`],
  ])("%s", async (_what, place) => {
    const byDefault = await restoreFunction(captureModule(place).bytes);
    expect(byDefault.instance().call(2)).toBe(4);
    const named = captureModule(place, "triple");
    expect(named).toMatchObject({ name: "triple", location: "test/capture/fixtures/tasks.ts" });
    expect((await restoreFunction(named.bytes)).instance().call(2)).toBe(6);
  });

  test("a package, resolved from a file", async () => {
    const captured = captureModule("nanoid", "nanoid", import.meta.url);
    expect(String((await restoreFunction(captured.bytes)).instance().call(5))).toHaveLength(5);
  });

  test("that isn't there is said at once", () => {
    expect(() => captureModule("./no-such-file.ts")).toThrow(UsageError);
    expect(() => captureModule("./no-such-file.ts")).toThrow(/there is no module no-such-file\.ts/);
  });

  test("without such an export, or one that is no function, says so when it is restored", async () => {
    await expect(
      restoreFunction(captureModule(file, "nothing").bytes).then((fn) => fn.instance()),
    ).rejects.toThrow(/has no export nothing/);
    await expect(
      restoreFunction(captureModule(file, "five").bytes).then((fn) => fn.instance()),
    ).rejects.toThrow(/"five" of .*tasks\.ts is not a function: it is number/);
  });
});

test("what is no function is refused", () => {
  expect(() => captureFunction(5 as never)).toThrow(CaptureError);
});

test("bytes of a newer Kinglet, or damaged ones, are refused", async () => {
  const { bytes } = captureFunction(() => 1);
  await expect(restoreFunction(bytes.with(0, 99))).rejects.toMatchObject({ code: "STORE_VERSION" });
  await expect(restoreFunction(bytes.slice(0, 50))).rejects.toThrow(StoreError);
});
