import { describe, expect, it } from "vitest";
import { createCodec } from "../../src/codec/codec.ts";
import { join } from "../../src/storage/bodies.ts";
import { differenceOf } from "./same.ts";
import { keepingLane, laneOf, plainCodec, throughBytes } from "./test-lane.ts";
import { BINARY_VALUES, ODD_VALUES, PLAIN_VALUES } from "./values.ts";

describe("a value comes back exactly as it was:", () => {
  it.each([...PLAIN_VALUES, ...BINARY_VALUES])("%s (lane %s)", (_what, lane, make) => {
    const codec = plainCodec();
    const value = make();
    expect(laneOf(codec.encode(value, "value"))).toBe(lane);
    // Aligned, and not: it may lie anywhere in a log.
    for (const offsetBytes of [0, 8, 1, 3]) {
      expect(differenceOf(throughBytes(codec, value, offsetBytes), make())).toBeUndefined();
    }
    expect(differenceOf(value, make())).toBeUndefined();
  });

  it.each(PLAIN_VALUES)("%s (lane %s), inside other values", (_what, _lane, make) => {
    const value = () => [{ in: make() }, new Map([["map", make()]]), new Set([[make()]]), make()];
    expect(differenceOf(throughBytes(plainCodec(), value()), value())).toBeUndefined();
  });

  it("the same object twice in a Map's key and value, and in a small tree", () => {
    const shared = {};
    for (const value of [[shared, shared], { a: shared, b: { c: shared } }, new Map([[shared, [shared]]])]) {
      expect(differenceOf(throughBytes(plainCodec(), value), value)).toBeUndefined();
    }
  });
});

describe("what is not plain goes to the graph lane:", () => {
  it.each(ODD_VALUES)("%s", (_what, make) => {
    const value = make();
    const codec = createCodec(keepingLane());
    for (const whole of [
      value,
      [value],
      { a: { b: value } },
      new Map([[1, value]]),
      new Set([[value]]),
      [new Array(100).fill(0), value],
    ]) {
      expect(laneOf(codec.encode(whole, "value"))).toBe("graph");
      expect(throughBytes(codec, whole)).toBe(whole);
    }
  });

  it("as the key of a Map, beside many plain objects, and at the end of a shared part", () => {
    const codec = createCodec(keepingLane());
    const odd = () => 1;
    const plain = Array.from({ length: 5000 }, (_, i) => ({ i }));
    const shared = [plain, plain, { deep: [odd] }];
    for (const whole of [new Map([[odd, 1]]), [...plain, odd], [shared, shared]]) {
      expect(laneOf(codec.encode(whole, "value"))).toBe("graph");
    }
  });

  it("with the name of the value, for errors' paths", () => {
    const names: string[] = [];
    const codec = createCodec({
      encode(_value, rootName) {
        names.push(rootName);
        return new Uint8Array(3);
      },
      decode: (bytes) => bytes.byteLength,
    });
    const chunks = codec.encode(() => 1, "result");
    expect(names).toEqual(["result"]);
    expect(codec.decode(join(chunks))).toBe(3);
  });

  it("and its errors and promises come through", async () => {
    const codec = createCodec({
      encode() {
        throw new TypeError("no");
      },
      decode: async () => "later",
    });
    expect(() => codec.encode(() => 1, "result")).toThrow(new TypeError("no"));
    const encoded = join(createCodec(keepingLane()).encode(() => 1, "value"));
    expect(codec.decode(encoded)).toBeInstanceOf(Promise);
    expect(await codec.decode(encoded)).toBe("later");
  });

  it("without a getter or a trap being called", () => {
    const codec = createCodec(keepingLane());
    const touched: string[] = [];
    const trap = (name: string) => () => {
      touched.push(name);
      throw new Error(name);
    };
    const proxy = new Proxy(
      {},
      { ownKeys: trap("ownKeys"), getPrototypeOf: trap("getPrototypeOf"), get: trap("get") },
    );
    const getter = Object.defineProperty({}, "x", {
      get: trap("getter"),
      enumerable: true,
      configurable: true,
    });
    for (const value of [proxy, getter])
      for (const whole of [value, [value], [new Array(100), value]]) codec.encode(whole, "x");
    expect(touched).toEqual([]);
  });
});

describe("much data", () => {
  it("with many references to the same objects is not walked again and again", () => {
    // 2^60 ways lead to the last object.
    let value: unknown = [];
    for (let i = 0; i < 60; i += 1) value = [value, value];
    expect(differenceOf(throughBytes(plainCodec(), value), value)).toBeUndefined();
  });

  it("in parents and children that know each other is plain", () => {
    const root: { children: unknown[] } = { children: [] };
    for (let i = 0; i < 20_000; i += 1) root.children.push({ i, parent: root });
    expect(laneOf(plainCodec().encode(root, "value"))).toBe("plain");
  });

  it("that begins with an odd value is not walked at all", () => {
    let reads = 0;
    const codec = createCodec({ encode: () => new Uint8Array(1), decode: () => undefined });
    const rows = Array.from({ length: 100_000 }, () => ({ a: 1 }));
    const names = Object.getOwnPropertyNames;
    Object.getOwnPropertyNames = (value) => {
      reads += 1;
      return names(value);
    };
    try {
      codec.encode([() => 1, ...rows], "value");
    } finally {
      Object.getOwnPropertyNames = names;
    }
    expect(reads).toBeLessThan(200);
  });
});

describe("binary data", () => {
  const codec = plainCodec();

  it("above some kilobytes is not copied to be encoded, alone or in an object", () => {
    const data = new Float64Array(100_000);
    for (const value of [data, { meta: 1, data }, Buffer.from(data.buffer)]) {
      const chunks = codec.encode(value, "value");
      expect(chunks.some((chunk) => chunk.buffer === data.buffer && chunk.byteLength === 800_000)).toBe(true);
    }
  });

  it("above 64 KiB is decoded as a view where it is aligned", () => {
    const bytes = join(codec.encode({ meta: "x", data: new Float64Array(100_000).fill(2) }, "value"));
    const { data } = codec.decode(bytes) as { data: Float64Array };
    expect(data.buffer).toBe(bytes.buffer);
    const alone = join(codec.encode(new Float64Array(100_000).fill(2), "value"));
    expect((codec.decode(alone) as Float64Array).buffer).toBe(alone.buffer);
  });

  it("up to 64 KiB has memory of its own, from its first byte to its last", () => {
    for (const value of [new Float64Array(100), new Uint8Array(50_000), new DataView(new ArrayBuffer(9))]) {
      const bytes = join(codec.encode(value, "value"));
      const decoded = codec.decode(bytes) as Uint8Array;
      expect([decoded.byteOffset, decoded.buffer.byteLength]).toEqual([0, value.byteLength]);
      const inside = codec.decode(join(codec.encode([value], "value"))) as Uint8Array[];
      expect([inside[0]!.byteOffset, inside[0]!.buffer.byteLength]).toEqual([0, value.byteLength]);
    }
  });

  it("that views a part of its memory travels as that part", () => {
    const memory = new Uint8Array(1_000_000).fill(9);
    memory.set([1, 2, 3], 500);
    const chunks = codec.encode(memory.subarray(500, 503), "value");
    expect(join(chunks).byteLength).toBe(8 + 3);
    expect(codec.decode(join(chunks))).toEqual(new Uint8Array([1, 2, 3]));
  });

  it("is that of the moment for small values, which share nothing with what was encoded", () => {
    for (const value of [new Uint8Array([1, 2]), { a: new Uint8Array([1, 2]) }]) {
      const bytes = join(codec.encode(value, "value"));
      const decoded = [codec.decode(bytes), codec.decode(bytes)];
      bytes.fill(0);
      expect(decoded).toEqual([value, value]);
      expect(decoded[0]).not.toBe(decoded[1]);
    }
  });
});

it("values encoded one after the other share no bytes", () => {
  const codec = plainCodec();
  const values = [1, "a", { a: 1 }, [1, 2], "b".repeat(100), new Date(5), { a: "x".repeat(500) }];
  const encoded = values.map((value) => codec.encode(value, "value"));
  const copies = encoded.map((chunks) => join(chunks));
  for (const value of values) codec.encode([value, value], "other");
  encoded[0]![0]!.fill(0xff);
  expect(encoded.slice(1).map((chunks) => join(chunks))).toEqual(copies.slice(1));
});
