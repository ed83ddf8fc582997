import { describe, expect, it } from "vitest";
import { join } from "../../src/storage/bodies.ts";
import {
  all,
  type Current,
  FIVE_MEBIBYTES,
  listed,
  patternOf,
  read,
  type SuiteOptions,
  streamOf,
  text,
  unless,
} from "./object-store-helpers.ts";

export function describeObjects(current: Current, { sharing }: SuiteOptions): void {
  describe("objects", () => {
    it.each([0, 1, 17, 4096, 65_536, 65_537, FIVE_MEBIBYTES])(
      "of %i bytes come back as they were",
      async (sizeBytes) => {
        const { store } = current();
        const bytes = patternOf(sizeBytes);
        await store.put("a/object", bytes);
        expect(Buffer.compare(await store.get("a/object"), bytes)).toBe(0);
        expect(Buffer.compare(join(await all(store.getStream("a/object"))), bytes)).toBe(0);
        expect(await store.head("a/object")).toMatchObject({ key: "a/object", sizeBytes });
      },
    );

    it.each([
      ["a list of chunks", () => [text("one "), text(""), text("two "), text("three")]],
      ["a stream", () => streamOf("one ", "", "two ", "three")],
      ["a slice of a larger buffer", () => text("zero one two three four").subarray(5, 18)],
    ])("can be put as %s", async (_what, body) => {
      const { store } = current();
      await store.put("o", body());
      expect(await read(store, "o")).toBe("one two three");
    });

    it("can be put as many chunks, and as an empty list or stream", async () => {
      const { store } = current();
      const chunks = Array.from({ length: 3000 }, (_, i) => text(`${i},`));
      await store.put("many", chunks);
      expect(Buffer.compare(await store.get("many"), join(chunks))).toBe(0);
      await store.put("none", []);
      await store.put("dry", streamOf());
      expect([(await store.get("none")).byteLength, (await store.get("dry")).byteLength]).toEqual([0, 0]);
    });

    it("of a big stream come back as they were", async () => {
      const { store } = current();
      const bytes = patternOf(FIVE_MEBIBYTES);
      const pieces = Array.from({ length: 50 }, (_, i) => bytes.subarray(i * 110_000, (i + 1) * 110_000));
      await store.put("big", streamOf(...pieces));
      expect(Buffer.compare(await store.get("big"), bytes)).toBe(0);
    });

    it("are replaced by a later put, whole", async () => {
      const { store } = current();
      await store.put("o", patternOf(100_000));
      expect(await store.put("o", text("short"))).toEqual({ created: true });
      expect(await read(store, "o")).toBe("short");
    });

    it("may be put again and again", async () => {
      const { store } = current();
      for (let i = 0; i < 3; i += 1) await store.put("o", text("same"));
      expect(await read(store, "o")).toBe("same");
      expect(await listed(store.list(""))).toEqual(["o"]);
    });

    it("are the bytes of the moment when put was awaited, whatever happens to the buffer later", async () => {
      const { store } = current();
      const bytes = text("before");
      await store.put("o", bytes);
      bytes.fill(0);
      (await store.get("o")).fill(1);
      expect(await read(store, "o")).toBe("before");
    });

    it("that aren't there are NOT_FOUND, undefined, or false", async () => {
      const { store } = current();
      await store.put("a/b", text("x"));
      for (const key of ["nothing", "a", "a/b/c", "a/c"]) {
        await expect(store.get(key)).rejects.toMatchObject({ code: "NOT_FOUND", key });
        await expect(all(store.getStream(key))).rejects.toMatchObject({ code: "NOT_FOUND", key });
        expect(await store.head(key)).toBeUndefined();
        expect(await store.exists(key)).toBe(false);
      }
      expect(await store.exists("a/b")).toBe(true);
    });

    it("know when they were put", async () => {
      const { store } = current();
      const beforeMs = Date.now();
      await store.put("o", text("x"));
      // File systems and servers have clocks of their own, and coarse ones.
      expect((await store.head("o"))!.modifiedMs).toBeGreaterThan(beforeMs - 60_000);
      expect((await store.head("o"))!.modifiedMs).toBeLessThan(Date.now() + 60_000);
    });

    it("are not there if the body's stream fails, and the error is the stream's own", async () => {
      const { store } = current();
      const failure = Object.assign(new Error("the user's file is gone"), { code: "ENOENT" });
      const body = (async function* () {
        yield text("half");
        throw failure;
      })();
      await expect(store.put("o", body)).rejects.toBe(failure);
      expect(await store.exists("o")).toBe(false);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("can be put and got in any number at once", async () => {
      const { store } = current();
      const keys = Array.from({ length: 60 }, (_, i) => `many/${i % 7}/${i}`);
      await Promise.all(keys.map((key) => store.put(key, text(key.repeat(2000)))));
      const values = await Promise.all(keys.map((key) => read(store, key)));
      expect(values).toEqual(keys.map((key) => key.repeat(2000)));
    });

    it("are seen whole or not at all by readers of a key that is put over and over", async () => {
      const { store } = current();
      const bodies = ["a", "b", "c"].map((letter) => text(letter.repeat(100_000)));
      await store.put("o", bodies[0]!);
      const writing = Promise.all(bodies.flatMap((body) => [store.put("o", body), store.put("o", body)]));
      for (let i = 0; i < 10; i += 1) {
        const got = await store.get("o");
        expect(got.byteLength).toBe(100_000);
        expect(new Set(got).size).toBe(1);
      }
      await writing;
    });

    it("obey a signal", async () => {
      const { store } = current();
      await store.put("o", text("x"));
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(store.get("o", { signal })).rejects.toThrow("enough");
      await expect(store.put("p", text("x"), { signal })).rejects.toThrow("enough");
      await expect(all(store.getStream("o", { signal }))).rejects.toThrow("enough");
      expect(await store.exists("p")).toBe(false);
    });

    unless(sharing.handles, "are there for whoever opens the store again", async () => {
      const { store, reopen } = current();
      await store.put("a/b", text("kept"));
      const other = await reopen!();
      expect(await read(other, "a/b")).toBe("kept");
      expect(await listed(other.list(""))).toEqual(["a/b"]);
      await other.close();
    });
  });
}

export function describeRanges(current: Current): void {
  describe("ranges", () => {
    it.each([
      ["the first bytes", 0, 3, "abc"],
      ["the middle", 3, 4, "defg"],
      ["the last bytes", 8, 2, "ij"],
      ["the whole", 0, 10, "abcdefghij"],
      ["no bytes", 4, 0, ""],
      ["more than there are", 7, 100, "hij"],
      ["past the end", 10, 5, ""],
      ["far past the end", 10_000, 5, ""],
      ["as much as there can be", 2, Number.MAX_SAFE_INTEGER, "cdefghij"],
    ])("give %s", async (_what, offsetBytes, lengthBytes, expected) => {
      const { store } = current();
      await store.put("o", text("abcdefghij"));
      const range = { offsetBytes, lengthBytes };
      expect(Buffer.from(await store.get("o", { range })).toString()).toBe(expected);
      expect(Buffer.from(join(await all(store.getStream("o", { range })))).toString()).toBe(expected);
    });

    it("of a big object cross any border", async () => {
      const { store } = current();
      const bytes = patternOf(FIVE_MEBIBYTES);
      await store.put("big", bytes);
      for (const [offsetBytes, lengthBytes] of [
        [65_535, 2],
        [1_048_570, 2_000_000],
        [5_242_879, 10],
      ] as const) {
        const range = { offsetBytes, lengthBytes };
        const expected = bytes.subarray(offsetBytes, offsetBytes + lengthBytes);
        expect(Buffer.compare(await store.get("big", { range }), expected)).toBe(0);
        expect(Buffer.compare(join(await all(store.getStream("big", { range }))), expected)).toBe(0);
      }
    });

    it.each([
      [-1, 2],
      [0, -1],
      [Number.NaN, 1],
    ])("that start at %d and go on for %d are refused", async (offsetBytes, lengthBytes) => {
      const { store } = current();
      await store.put("o", text("abc"));
      await expect(store.get("o", { range: { offsetBytes, lengthBytes } })).rejects.toThrow("range");
    });
  });
}
