import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  captureFunction,
  driverGraphLane,
  restoreFunction,
  workerGraphLane,
} from "../../src/capture/index.ts";
import { UnserializableError } from "../../src/errors.ts";
import { startWorker, type Worker } from "./worker.ts";

let worker: Worker;
beforeAll(() => {
  worker = startWorker();
});
afterAll(() => worker.close());

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
  double(): number {
    return this.x * 2;
  }
}

describe("items", () => {
  test("of a class cost its definition once: later ones attach the same bytes", () => {
    const lane = driverGraphLane();
    const [one, two] = [lane.encode(new Point(1), "item"), lane.encode(new Point(1), "item")];
    expect(Buffer.from(one).equals(Buffer.from(two))).toBe(true);
  });

  test("of a class that is patched between them get the class as it is then", async () => {
    class Patched {
      hi(): string {
        return "old";
      }
    }
    const say = captureFunction((p: Patched) => p.hi());
    expect(await worker.call(say, [new Patched()])).toEqual(["old"]);
    Patched.prototype.hi = () => "new";
    expect(await worker.call(say, [new Patched()])).toEqual(["new"]);
  });

  test("of a class with statics see these as they are then", async () => {
    class Counted {
      static count = 1;
      count(): number {
        return Counted.count++;
      }
    }
    const read = captureFunction((c: Counted) => c.count());
    expect(await worker.call(read, [new Counted()], [new Counted()])).toEqual([1, 1]);
    Counted.count = 5;
    expect(await worker.call(read, [new Counted()])).toEqual([5]);
  });

  test("that can't be sent are errors with the way to the culprit", () => {
    const encode = (item: unknown) => () => driverGraphLane().encode(item, "items[3]");
    expect(encode({ rows: [{ socket: new AbortController() }] })).toThrow(UnserializableError);
    expect(encode({ rows: [{ socket: new AbortController() }] })).toThrow(
      /^items\[3\]\.rows\[0\]\.socket can't be sent: it is a live AbortController/,
    );
    const weak = new WeakMap();
    expect(encode({ run: () => weak })).toThrow(
      /captured variable "weak" can't be sent: it is a WeakMap[\s\S]*captured by run {2}test\/capture\/lanes\.test\.ts:\d+:\d+/,
    );
  });

  test("may be plain data too: it is the task's own, to be changed", async () => {
    const rows = Array.from({ length: 3_000 }, (_, id) => ({ id }));
    const change = captureFunction((item: { rows: { id: number }[]; u: URL }) => {
      item.rows[0]!.id = 7;
      return [item.rows[0]!.id, item.rows.length, item.u.host];
    });
    expect(await worker.call(change, [{ rows, u: new URL("http://a.b/") }])).toEqual([[7, 3_000, "a.b"]]);
  });
});

describe("results", () => {
  test("are instances of the driver's own class, also after its copy was restored here", async () => {
    const make = captureFunction((x: number) => new Point(x));
    await restoreFunction(make.bytes).then((restored) => restored.instance().call(1));
    const [point] = await worker.call(make, [4]);
    expect(point).toBeInstanceOf(Point);
    expect((point as Point).double()).toBe(8);
  });

  test("of a class with private fields have them, though the class has no way in", async () => {
    let made = 0;
    class Account {
      #balance = 0;
      readonly owner: string;
      constructor(owner: string, balance: number) {
        if (typeof balance !== "number") throw new Error("no number");
        made++;
        this.owner = owner;
        this.#balance = balance;
      }
      add(n: number): this {
        this.#balance += n;
        return this;
      }
      get balance(): number {
        return this.#balance;
      }
    }
    class Savings extends Account {
      #rate = 2;
      get rate(): number {
        return this.#rate;
      }
    }
    const open = captureFunction((n: number) => new Account("a", n).add(1));
    const [account] = (await worker.call(open, [4])) as Account[];
    expect(account).toBeInstanceOf(Account);
    expect([account!.balance, account!.add(5).balance, account!.owner]).toEqual([5, 10, "a"]);
    expect(made).toBe(0);
    // A constructor that does more than set fields can only be halted where no other one has to run after it.
    await expect(
      worker.call(
        captureFunction(() => new Savings("s", 1)),
        [],
      ),
    ).rejects.toThrow(
      /result can't be sent: Account has #private fields, and its constructor does more than set them[\s\S]*kinglet\.reduce/,
    );
  });

  test("of a class that is made in the task come with it", async () => {
    const make = captureFunction(() => {
      class Inner {
        v = 1;
        next(): number {
          return this.v + 1;
        }
      }
      return new Inner();
    });
    const [one] = (await worker.call(make, [])) as { v: number; next(): number }[];
    expect(one!.next()).toBe(2);
    expect(one!.constructor.name).toBe("Inner");
  });

  test("may be functions, with what they captured", async () => {
    const adder = captureFunction((n: number) => {
      let total = n;
      return (x: number) => (total += x + offset);
    });
    const [add] = (await worker.call(adder, [10])) as ((x: number) => number)[];
    expect([add!(1), add!(2)]).toEqual([111, 213]);
  });
  const offset = 100;

  test("that can't be sent are errors with the way to the culprit", async () => {
    const make = captureFunction(async () => {
      const { Socket } = await import("node:net");
      return { rows: [1, 2, 3, { socket: new Socket() }] };
    });
    await expect(worker.call(make, [])).rejects.toThrow(
      /^result\.rows\[3\]\.socket can't be sent: it is a live Socket of node:net/,
    );
  });

  test("of a job that another process started need its function's bytes", async () => {
    // The worker's lane stands in for a driver that has never seen the class.
    const stranger = await import("node:child_process").then(({ execFileSync }) => {
      const program = `
        import { captureFunction } from ${JSON.stringify(new URL("../../src/capture/index.ts", import.meta.url).href)};
        class Remote { constructor(x) { this.x = x; } twice() { return this.x * 2; } }
        process.stdout.write(Buffer.from(captureFunction((x) => new Remote(x)).bytes).toString("base64"));`;
      const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
      return new Uint8Array(
        Buffer.from(execFileSync(process.execPath, args, { encoding: "utf8" }), "base64"),
      );
    });
    const { call, scope } = (await restoreFunction(stranger)).instance();
    const result = scope.encode(call(21), "result");
    const lane = driverGraphLane();
    await lane.learn(stranger);
    expect((lane.decode(result) as { twice(): number }).twice()).toBe(42);
  });
});

describe("thrown errors", () => {
  test("keep class and stack; what can't be sent of them is left out", async () => {
    const lane = workerGraphLane();
    const error = Object.assign(new RangeError("x", { cause: new Error("y") }), {
      code: "E",
      live: new AbortController(),
      list: [new WeakSet(), 1],
    });
    const back = (await driverGraphLane().decode(lane.encode(error, "error"))) as typeof error;
    expect(back).toBeInstanceOf(RangeError);
    expect(back).toMatchObject({ message: "x", code: "E", stack: error.stack, cause: { message: "y" } });
    expect(Object.keys(back)).toEqual(["code"]);
  });
});

test("unique symbols are the same in function, item and result, and between tasks", async () => {
  const mark = Symbol("mark");
  const read = captureFunction((item: Record<symbol, number>) => ({ [mark]: item[mark]! + 1 }));
  expect(await worker.call(read, [{ [mark]: 1 }], [{ [mark]: 2 }])).toEqual([{ [mark]: 2 }, { [mark]: 3 }]);
});
