import { describe, expect, it } from "vitest";
import { PATIENCE_MS } from "../support/patience.ts";
import type { KeyValueSuiteOptions, OpenedKeyValueStore } from "./key-value-store.ts";
import { patternOf, text, unless } from "./object-store-helpers.ts";

type Current = () => OpenedKeyValueStore;

export const shown = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();
const floats = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)];
const doubles = (bytes: Uint8Array): number[] => [...new Float64Array(bytes.slice().buffer)];

export function describeReads(current: Current): void {
  describe("values", () => {
    it.each([0, 1, 128, 70_000, 3_000_000])("of %i bytes come back as they were", async (sizeBytes) => {
      const { store } = current();
      const value = patternOf(sizeBytes);
      await store.set("k", value);
      expect(Buffer.compare((await store.get("k"))!, value)).toBe(0);
      expect(await store.sizeOf("k")).toBe(sizeBytes);
      expect((await store.getVersioned("k"))!.value.byteLength).toBe(sizeBytes);
    });

    it("that aren't there are undefined, and have no bytes", async () => {
      const { store } = current();
      expect(await store.get("none")).toBeUndefined();
      expect(await store.getVersioned("none")).toBeUndefined();
      expect(await store.sizeOf("none")).toBeUndefined();
      expect((await store.getRange("none", 3, 5)).byteLength).toBe(0);
      expect(await store.take("none")).toBeUndefined();
      expect(await store.getMany(["none", "nil"])).toEqual([undefined, undefined]);
    });

    it("are given by many keys at once, in order, whatever their number", async () => {
      const { store } = current();
      const keys = Array.from({ length: 1300 }, (_, i) => `k${i}`);
      await store.setMany(keys.filter((_, i) => i % 3 > 0).map((key) => [key, text(key)]));
      const expected = keys.map((key, i) => (i % 3 > 0 ? key : undefined));
      expect((await store.getMany(keys)).map(shown)).toEqual(expected);
      expect((await store.getMany(["k1", "k0", "k1"])).map(shown)).toEqual(["k1", undefined, "k1"]);
      expect(await store.getMany([])).toEqual([]);
    });

    it("are read by ranges, cut short at the end", async () => {
      const { store } = current();
      await store.set("k", text("abcdefghij"));
      for (const [offset, length, expected] of [
        [0, 3, "abc"],
        [3, 4, "defg"],
        [7, 100, "hij"],
        [2, Number.MAX_SAFE_INTEGER, "cdefghij"],
        [4, 0, ""],
        [10, 1, ""],
        [1000, 5, ""],
      ] as const) {
        expect(shown(await store.getRange("k", offset, length))).toBe(expected);
      }
      expect(shown((await store.getVersioned("k", { maxBytes: 4 }))!.value)).toBe("abcd");
      expect(shown((await store.getVersioned("k", { maxBytes: 0 }))!.value)).toBe("");
    });

    it("are the caller's own: changing the bytes changes nothing in the store", async () => {
      const { store } = current();
      const value = text("before");
      await store.set("k", value);
      value.fill(0);
      (await store.get("k"))!.fill(1);
      expect(shown(await store.get("k"))).toBe("before");
    });

    it.each(["a", " ", "a b\n\0c", "ä€😀", "{x}y", "*?[a]\\", "a/../b", "k".repeat(1000), "__proto__"])(
      "may lie under the key %j",
      async (key) => {
        const { store } = current();
        await store.set(key, text("x"), { listed: true });
        expect(shown(await store.get(key))).toBe("x");
        const listed = [];
        for await (const found of store.list(key)) listed.push(found.key);
        const scanned = [];
        for await (const found of store.scan(key)) scanned.push(found);
        expect([listed, scanned]).toEqual([[key], [key]]);
        expect(await store.delete([key])).toBe(1);
      },
    );

    it.each(["", "k".repeat(1001), "€".repeat(334), "half \ud800", undefined, null, 7])(
      "don't lie under the key %j",
      async (key) => {
        const { store } = current();
        const bad = key as string;
        await expect(async () => store.get(bad)).rejects.toMatchObject({ code: "BAD_KEY" });
        await expect(async () => store.set(bad, text("x"))).rejects.toMatchObject({ code: "BAD_KEY" });
        await expect(async () => store.getMany(["a", bad])).rejects.toMatchObject({ code: "BAD_KEY" });
        await expect(async () => store.delete([bad])).rejects.toMatchObject({ code: "BAD_KEY" });
        await expect(async () => store.increment(bad)).rejects.toMatchObject({ code: "BAD_KEY" });
        await expect(async () => store.waitForChange(bad, undefined)).rejects.toMatchObject({
          code: "BAD_KEY",
        });
      },
    );
  });
}

export function describeWrites(current: Current): void {
  describe("writing", () => {
    it("replaces, exchanges, takes and deletes", async () => {
      const { store } = current();
      await store.set("k", text("one"));
      await store.set("k", text("two"));
      expect(shown(await store.exchange("k", text("three")))).toBe("two");
      expect(shown(await store.exchange("k", text("four"), { maxBytes: 2 }))).toBe("th");
      expect(await store.exchange("new", text("x"))).toBeUndefined();
      expect(shown(await store.take("k", { maxBytes: 3 }))).toBe("fou");
      expect(await store.get("k")).toBeUndefined();
      expect(await store.delete(["k", "new", "new", "none"])).toBe(1);
      expect(await store.delete([])).toBe(0);
    });

    it("gives each write a version of its own, also of the same bytes", async () => {
      const { store } = current();
      const versions = new Set<string>();
      for (const write of [
        () => store.set("k", text("0000")),
        () => store.set("k", text("0000")),
        () => store.setMany([["k", text("0000")]]),
        () => store.setRange("k", 0, text("0")),
        () => store.increment("k", 0),
        () => store.append("k", text("")),
        () => store.exchange("k", text("0000")),
        () => store.addToRange("k", 0, new Float32Array([0])),
      ]) {
        await write();
        versions.add((await store.getVersioned("k"))!.version);
        expect((await store.getVersioned("k"))!.version).toBe((await store.getVersioned("k"))!.version);
      }
      expect(versions.size).toBe(8);
    });

    it("takes many calls at once, the last of a key winning", async () => {
      const { store } = current();
      const calls = Array.from({ length: 600 }, (_, i) => store.set(`k${i % 200}`, text(String(i))));
      await Promise.all(calls);
      const values = await Promise.all(Array.from({ length: 201 }, (_, i) => store.get(`k${i}`)));
      expect(values.map(shown)).toEqual([
        ...Array.from({ length: 200 }, (_, i) => String(400 + i)),
        undefined,
      ]);
      const bad = store.set("\ud800", text("x"));
      const good = store.set("good", text("x"));
      await expect(bad).rejects.toMatchObject({ code: "BAD_KEY" });
      await good;
    });

    it("knows when it was", async () => {
      const { store } = current();
      const beforeMs = Date.now();
      await store.set("k", text("x"));
      const { modifiedMs } = (await store.getVersioned("k"))!;
      expect(modifiedMs).toBeGreaterThanOrEqual(beforeMs);
      expect(modifiedMs).toBeLessThanOrEqual(Date.now());
    });

    it("compares the version and sets in one step", async () => {
      const { store } = current();
      const created = await store.compareAndSet("k", undefined, text("one"));
      expect(created).toEqual({ swapped: true, version: (await store.getVersioned("k"))!.version });
      expect(await store.compareAndSet("k", undefined, text("x"))).toEqual({ ...created, swapped: false });
      const next = await store.compareAndSet("k", created.version, text("two"));
      expect(next.swapped).toBe(true);
      expect(await store.compareAndSet("k", created.version, text("x"))).toEqual({ ...next, swapped: false });
      expect(shown(await store.get("k"))).toBe("two");
      await store.delete(["k"]);
      expect(await store.compareAndSet("k", next.version, text("x"))).toEqual({
        swapped: false,
        version: undefined,
      });
      expect(await store.get("k")).toBeUndefined();
    });

    it("lets keys expire, and be kept", async () => {
      const { store } = current();
      await store.set("brief", text("x"), { ttlMs: 20 });
      await store.compareAndSet("swapped", undefined, text("x"), { ttlMs: 20 });
      await store.exchange("exchanged", text("x"), { ttlMs: 20, listed: true });
      await store.setMany([["many", text("x")]], { ttlMs: 20 });
      await store.set("kept", text("x"), { ttlMs: 60_000 });
      await store.set("set again", text("x"), { ttlMs: 20 });
      await store.set("set again", text("y"));
      await store.set("let go", text("x"));
      await store.setRange("let go", 0, text("y"));
      expect(await store.expire(["kept", "none"], undefined)).toBe(1);
      expect(await store.expire(["let go"], 20)).toBe(1);
      const gone = ["brief", "swapped", "exchanged", "many", "let go"];
      for (const key of gone) {
        for (let seen = await store.getVersioned(key); seen; seen = await store.getVersioned(key)) {
          await store.waitForChange(key, seen.version, { timeoutMs: PATIENCE_MS });
        }
      }
      expect((await store.getMany([...gone, "kept", "set again"])).map(shown)).toEqual([
        ...gone.map(() => undefined),
        "x",
        "y",
      ]);
      for await (const { key } of store.list("")) expect(key).toBe("none is listed");
    });

    it("keeps the expiry when it changes a value in place", async () => {
      const { store } = current();
      // Longer, where a slow computer lets the value expire before all of it is done.
      for (let ttlMs = 100; ; ttlMs *= 4) {
        await store.set("k", text("7"), { ttlMs });
        const sum = await store.increment("k");
        const { sizeBytes } = await store.append("k", text("0"));
        const size = await store.setRange("k", 0, text("9"));
        if (sum === 8 && sizeBytes === 2 && size === 2) break;
      }
      let version = (await store.getVersioned("k"))?.version;
      while (version !== undefined) {
        const waited = await store.waitForChange("k", version, { timeoutMs: PATIENCE_MS });
        expect(waited.changed).toBe(true);
        version = waited.version;
      }
      expect(await store.get("k")).toBeUndefined();
    });

    it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses ttlMs %d", async (ttlMs) => {
      const { store } = current();
      const expected = { code: "BAD_ARGUMENT" };
      await expect(async () => store.set("k", text("x"), { ttlMs })).rejects.toMatchObject(expected);
      await expect(async () =>
        store.compareAndSet("k", undefined, text("x"), { ttlMs }),
      ).rejects.toMatchObject(expected);
      expect(await store.get("k")).toBeUndefined();
    });
  });
}

export function describeSteps(current: Current): void {
  describe("changing in place", () => {
    it("increments whole numbers, and nothing else", async () => {
      const { store } = current();
      expect(await store.increment("n")).toBe(1);
      expect(await store.increment("n", 41)).toBe(42);
      expect(await store.increment("n", -100)).toBe(-58);
      expect(shown(await store.get("n"))).toBe("-58");
      expect(await store.increment("m", Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
      const expected = { code: "BAD_ARGUMENT", key: "m" };
      await expect(store.increment("m")).rejects.toMatchObject(expected);
      await expect(async () => store.increment("m", 0.5)).rejects.toMatchObject(expected);
      await store.set("m", text("1.5"));
      await expect(store.increment("m")).rejects.toThrow("isn't a whole number");
      expect(shown(await store.get("m"))).toBe("1.5");
    });

    it("overwrites ranges, with zeros in a gap", async () => {
      const { store } = current();
      await store.set("k", text("abcdef"));
      expect(await store.setRange("k", 2, text("XY"))).toBe(6);
      expect(await store.setRange("k", 5, text("Z!"))).toBe(7);
      expect(shown(await store.get("k"))).toBe("abXYeZ!");
      expect(await store.setRange("new", 3, text("x"))).toBe(4);
      expect([...(await store.get("new"))!]).toEqual([0, 0, 0, 120]);
      expect(await store.setRange("new", 100, text(""))).toBe(4);
      await expect(async () => store.setRange("k", -1, text("x"))).rejects.toMatchObject({
        code: "BAD_ARGUMENT",
      });
      await expect(async () => store.setRange("k", 2 ** 40, text("x"))).rejects.toMatchObject({
        code: "BAD_ARGUMENT",
      });
      await expect(async () => store.getRange("k", -1, 1)).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
    });

    it("adds to ranges of floats and doubles", async () => {
      const { store } = current();
      await store.addToRange("f", 0, new Float32Array([1, 2, 3]));
      await store.addToRange("f", 4, new Float32Array([0.5, -0.25, 8]));
      expect(floats((await store.get("f"))!)).toEqual([1, 2.5, 2.75, 8]);
      await store.addToRange("d", 8, new Float64Array([Math.PI]));
      await store.addToRange("d", 0, new Float64Array([-0.1, 0.2]));
      expect(doubles((await store.get("d"))!)).toEqual([-0.1, Math.PI + 0.2]);
      const many = Float32Array.from({ length: 5000 }, (_, i) => i / 7);
      await store.addToRange("many", 12, many);
      await store.addToRange("many", 12, many);
      const sums = floats((await store.getRange("many", 12, 20_000))!);
      expect(sums).toEqual([...many].map((x) => Math.fround(x + x)));
      await store.addToRange("f", 0, new Float32Array());
      expect(await store.sizeOf("f")).toBe(16);
    });

    it("appends, where asked only at a place", async () => {
      const { store } = current();
      expect(await store.append("k", text("one "))).toEqual({ appended: true, sizeBytes: 4 });
      expect(await store.append("k", text("two "), { atBytes: 4 })).toEqual({ appended: true, sizeBytes: 8 });
      // The answer was lost, say, and the same append is sent again.
      expect(await store.append("k", text("two "), { atBytes: 4 })).toEqual({ appended: true, sizeBytes: 8 });
      expect(await store.append("k", text("2222"), { atBytes: 4 })).toEqual({
        appended: false,
        sizeBytes: 8,
      });
      expect(await store.append("k", text("x"), { atBytes: 9 })).toEqual({ appended: false, sizeBytes: 8 });
      expect(await store.append("k", text("x"), { atBytes: 0 })).toEqual({ appended: false, sizeBytes: 8 });
      expect(await store.append("new", text("x"), { atBytes: 0 })).toEqual({ appended: true, sizeBytes: 1 });
      expect(await store.append("none", text("x"), { atBytes: 5 })).toEqual({
        appended: false,
        sizeBytes: 0,
      });
      expect(await store.append("empty", text(""))).toEqual({ appended: true, sizeBytes: 0 });
      expect(shown(await store.get("k"))).toBe("one two ");
      expect(shown(await store.get("empty"))).toBe("");
      expect(await store.get("none")).toBeUndefined();
    });
  });
}

export function describeManyClients(current: Current, { capabilities }: KeyValueSuiteOptions): void {
  const able = capabilities.shared || "the store lives in one handle";
  describe("many clients at once", () => {
    const clients = async (count: number) => {
      const { store, reopen } = current();
      return [store, ...(await Promise.all(Array.from({ length: count - 1 }, () => reopen!())))];
    };

    unless(able, "increment, append and add without losing one", async () => {
      const stores = await clients(4);
      const rounds = stores.flatMap((store, who) =>
        Array.from({ length: 50 }, async () => {
          await store.increment("n");
          await store.append("log", text(`${who},`));
          await store.addToRange("sums", 4, new Float32Array([1, 2, 4]));
        }),
      );
      await Promise.all(rounds);
      const [store] = stores;
      expect(shown(await store!.get("n"))).toBe("200");
      expect(
        shown(await store!.get("log"))!
          .split(",")
          .sort()
          .join(""),
      ).toBe("0".repeat(50) + "1".repeat(50) + "2".repeat(50) + "3".repeat(50));
      expect(floats((await store!.get("sums"))!)).toEqual([0, 200, 400, 800]);
      await Promise.all(stores.slice(1).map((other) => other.close()));
    });

    unless(able, "swap a value in turns: none of the swaps is lost", async () => {
      const stores = await clients(3);
      const swapOften = async (store: (typeof stores)[number]) => {
        for (let won = 0; won < 20; ) {
          const seen = await store.getVersioned("k");
          const next = text(String(Number(shown(seen?.value) ?? 0) + 1));
          if ((await store.compareAndSet("k", seen?.version, next)).swapped) won += 1;
        }
      };
      await Promise.all(stores.map(swapOften));
      expect(shown(await stores[0]!.get("k"))).toBe("60");
      await Promise.all(stores.slice(1).map((other) => other.close()));
    });

    unless(able, "create a key: exactly one of them", async () => {
      const stores = await clients(3);
      const tries = stores.flatMap((store, who) =>
        Array.from({ length: 30 }, async (_, i) => ({
          i,
          who,
          ...(await store.compareAndSet(`k${i}`, undefined, text(String(who)), { listed: true })),
        })),
      );
      const won = (await Promise.all(tries)).filter(({ swapped }) => swapped);
      expect(won.map(({ i }) => i).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
      for (const { i, who } of won) expect(shown(await stores[0]!.get(`k${i}`))).toBe(String(who));
      await Promise.all(stores.slice(1).map((other) => other.close()));
    });
  });
}
