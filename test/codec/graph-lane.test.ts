import { describe, expect, it } from "vitest";
import { driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";
import { UnserializableError } from "../../src/errors.ts";
import { join } from "../../src/storage/bodies.ts";
import { differenceOf } from "./same.ts";
import { laneOf } from "./test-lane.ts";
import { ODD_VALUES, PLAIN_VALUES } from "./values.ts";

const codec = createCodec(driverGraphLane());
const through = async (value: unknown): Promise<unknown> => codec.decode(join(codec.encode(value, "result")));

/** What nothing can stand for: an error that says where it is. */
const REFUSED = [
  "a Promise",
  "a WeakMap",
  "a boxed symbol",
  "shared memory",
  "a view of shared memory",
  "something that only claims to be a Date",
  "something that only claims to be a Map",
  "something that only claims to be bytes",
];
/** Not tested here: the graph lane walks their billions of places one by one. */
const ENDLESS = ["a huge sparse array with a property", "a huge sparse array with a getter"];
/** Known to be wrong: as parts of big arrays these are lost without a word. */
const LOST = ["a long array with a hidden property", "a long array with a symbol"];
/** Made anew by their source, so that they are not the same object. */
const REMADE = [
  "a function",
  "a getter",
  "a setter",
  "an Error",
  "an Error made to look plain",
  "an object of a plain object's prototype",
];

describe("through the codec with its real graph lane", () => {
  for (const [what, make] of ODD_VALUES) {
    if ([...REFUSED, ...REMADE, "a list of 20,000"].includes(what)) continue;
    const test = ENDLESS.includes(what) ? it.skip : LOST.includes(what) ? it.fails : it;
    test(`${what} comes back as it was`, async () => {
      const value = [make()];
      expect(differenceOf(await through(value), value)).toBeUndefined();
    });
  }

  it.each(ODD_VALUES.filter(([what]) => REFUSED.includes(what)))(
    "%s is refused, with its path",
    (_what, make) => {
      const value = { rows: [0, { odd: make() }] };
      const encode = () => codec.encode(value, "result");
      expect(encode).toThrow(UnserializableError);
      expect(encode).toThrow(
        expect.objectContaining({ path: expect.stringMatching(/^result\.rows\[1\]\.odd/) }),
      );
    },
  );

  it.each(PLAIN_VALUES.filter(([what]) => what !== "a huge sparse array"))(
    "%s (alone lane %s) comes back beside an odd value",
    async (_what, _lane, make) => {
      const value = () => [make(), Object.create(null)];
      expect(laneOf(codec.encode(value(), "value"))).toBe("graph");
      expect(differenceOf(await through(value()), value())).toBeUndefined();
    },
  );

  it("a list of 20,000 comes back with all its members", async () => {
    const [, makeList] = ODD_VALUES.find(([what]) => what === "a list of 20,000")!;
    let members = 0;
    let list = (await through(makeList())) as { i: number; next: unknown } | null;
    for (; list !== null; list = list.next as typeof list) members += 1;
    expect(members).toBe(20_000);
  });

  it("an error keeps its class, message, cause, code and own properties", async () => {
    const error = Object.assign(new RangeError("too far", { cause: new TypeError("why") }), {
      code: "E_FAR",
      rows: [1],
    });
    const back = (await through({ error })) as { error: typeof error };
    expect(back.error).toBeInstanceOf(RangeError);
    expect(back.error).toMatchObject({ message: "too far", code: "E_FAR", rows: [1] });
    expect(back.error.cause).toBeInstanceOf(TypeError);
    const all = (await through(new AggregateError([error, 7], "both"))) as AggregateError;
    expect(all).toBeInstanceOf(AggregateError);
    expect([all.message, all.errors.length, all.errors[1]]).toEqual(["both", 2, 7]);
  });

  it("functions and getters work", async () => {
    const factor = 3;
    const value = {
      triple: (x: number) => x * factor,
      get six() {
        return 6;
      },
    };
    const back = (await through(value)) as typeof value;
    expect([back.triple(5), back.six]).toEqual([15, 6]);
  });
});
