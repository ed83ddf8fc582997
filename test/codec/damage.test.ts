import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCodec } from "../../src/codec/codec.ts";
import { StoreError } from "../../src/errors.ts";
import { join } from "../../src/storage/bodies.ts";
import { keepingLane, plainCodec } from "./test-lane.ts";

const codec = plainCodec();
const encode = (value: unknown): Uint8Array => join(codec.encode(value, "value"));

const SAMPLES: readonly (readonly [string, unknown])[] = [
  ["a number", 123_456],
  ["a float", 1.5],
  ["a bigint", 12345678901234567890n],
  ["a short text", "item 1"],
  ["an odd text", "\u65e5\ud800"],
  ["a long text", "x".repeat(300)],
  ["a small tree", { id: 1, tags: ["a", "b"], at: new Date(5), deep: [{ x: -0 }] }],
  ["a typed array", new Float64Array([1, 2, 3])],
  ["a long typed array", new Float64Array(1000)],
  ["a Buffer", Buffer.from("some bytes")],
  ["plain data", new Map([["rows", Array.from({ length: 100 }, (_, i) => ({ i, s: `row ${i}` }))]])],
  ["plain data with arrays", { small: new Uint16Array([1, 2]), big: new Uint8Array(20_000), m: new Map() }],
];

describe("a damaged value is STORE_CORRUPT:", () => {
  it.each(SAMPLES)("%s, cut off anywhere", (_what, value) => {
    const bytes = encode(value);
    const step = Math.max(1, Math.floor(bytes.byteLength / 200));
    for (let lengthBytes = 0; lengthBytes < bytes.byteLength; lengthBytes += step) {
      expect(() => codec.decode(bytes.slice(0, lengthBytes))).toThrow(
        expect.objectContaining({ code: "STORE_CORRUPT" }),
      );
    }
  });

  it.each(SAMPLES)("%s, with more bytes behind it", (_what, value) => {
    const bytes = join([encode(value), new Uint8Array(8)]);
    expect(() => codec.decode(bytes)).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  });

  it.each(SAMPLES)("%s, with any bit turned: or it is another value, but no other error", (_what, value) => {
    const whole = encode(value);
    fc.assert(
      fc.property(fc.nat(Math.min(whole.byteLength, 300) - 1), fc.nat(7), (at, bit) => {
        const bytes = whole.slice();
        bytes[at]! ^= 1 << bit;
        try {
          // What another codec's graph lane would read is not ours to judge.
          createCodec(keepingLane()).decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
          expect(["STORE_CORRUPT", "STORE_VERSION"]).toContain((error as StoreError).code);
        }
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    ["nothing", []],
    ["one byte", [0xc1]],
    ["zeros", [0, 0, 0, 0]],
    ["JSON", [...Buffer.from('{"a":1}')]],
    ["an unknown tag", [0xc1, 99]],
    ["an unknown lane", [0xc1, 0xf0, 0, 0, 0, 0, 0, 0]],
    ["a lane without its header", [0xc1, 0xe1]],
    ["an unknown kind of binary data", [0xc1, 0xe0, 77, 1, 0, 0, 0, 0, 5]],
    ["half a number of elements", [0xc1, 0xe0, 8, 3, 0, 0, 0, 0, 1, 2, 3]],
    ["a bigint of letters", [0xc1, 6, 7, 2, 0x7a, 0x7a]],
    ["an endless number", [0xc1, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ["a text of 2 GB", [0xc1, 7, 0xff, 0xff, 0xff, 0xff, 7]],
    ["an array of 2^28 elements", [0xc1, 10, 0xff, 0xff, 0xff, 0x7f]],
    ["arrays a thousand deep", [0xc1, ...Array.from({ length: 1000 }, () => [10, 1]).flat(), 0]],
  ])("%s", (_what, bytes) => {
    expect(() => codec.decode(new Uint8Array(bytes))).toThrow(
      expect.objectContaining({ code: "STORE_CORRUPT" }),
    );
  });
});

describe("a value that is too new is STORE_VERSION, with what to do:", () => {
  it("of a newer Kinglet", () => {
    const bytes = encode({ a: 1 });
    bytes[0] = 0xc2;
    expect(() => codec.decode(bytes)).toThrow(
      expect.objectContaining({
        code: "STORE_VERSION",
        remedy: "Update kinglet.",
        message: expect.stringContaining("format 2"),
      }),
    );
  });

  it("of a newer V8", () => {
    const bytes = encode(new Map());
    expect(bytes[8]).toBe(0xff);
    bytes[9]! += 1;
    expect(() => codec.decode(bytes)).toThrow(
      expect.objectContaining({
        code: "STORE_VERSION",
        message: expect.stringContaining(process.versions.node),
      }),
    );
  });
});
