import { describe, expect, it } from "vitest";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { all, type Current, listed, read, text } from "./object-store-helpers.ts";
import { HOSTILE_KEYS, ORDINARY_KEYS } from "./object-store-keys.ts";

export function describeListing(current: Current): void {
  describe("listing", () => {
    const KEYS = [
      "a",
      "a-b",
      "b/1",
      "b/10",
      "b/2",
      "b/c/d",
      "b/c.d",
      "b/ç",
      "b/\u{1f600}",
      "b/\uffee",
      "bb",
      "Z",
    ];

    async function fill(): Promise<ObjectStore> {
      const { store } = current();
      for (const key of KEYS) await store.put(key, text(key));
      return store;
    }

    it("gives all keys in the order of their code units, with sizes", async () => {
      const store = await fill();
      expect(await listed(store.list(""))).toEqual([...KEYS].sort());
      for (const info of await all(store.list(""))) expect(info.sizeBytes).toBe(Buffer.byteLength(info.key));
    });

    it.each(["b/", "b", "b/c", "b/c/", "b/1", "a", "none", "b/none/", "bb"])(
      "by the prefix %j",
      async (prefix) => {
        const store = await fill();
        expect(await listed(store.list(prefix))).toEqual(KEYS.filter((key) => key.startsWith(prefix)).sort());
      },
    );

    it.each(["", "a", "b/1", "b/c", "b/c.", "b/c/d", "b/", "b/zzz", "zzz"])(
      "goes on after %j",
      async (after) => {
        const store = await fill();
        expect(await listed(store.list("", { after }))).toEqual(KEYS.filter((key) => key > after).sort());
        const inFolder = KEYS.filter((key) => key.startsWith("b/") && key > after).sort();
        expect(await listed(store.list("b/", { after }))).toEqual(inFolder);
      },
    );

    it("of an empty store is empty", async () => {
      expect(await listed(current().store.list(""))).toEqual([]);
    });

    it("bears that objects are deleted meanwhile, and that nobody reads to the end", async () => {
      const store = await fill();
      for await (const { key } of store.list("")) await store.delete([key]);
      expect(await listed(store.list(""))).toEqual([]);
      await fill();
      for await (const { key } of store.list("")) if (key === "a") break;
      expect(await listed(store.list(""))).toHaveLength(KEYS.length);
    });

    it("pages through more than a thousand objects", async () => {
      const { store } = current();
      const keys = Array.from({ length: 1100 }, (_, i) => `n/${String(i).padStart(5, "0")}`);
      for (let i = 0; i < keys.length; i += 50) {
        await Promise.all(keys.slice(i, i + 50).map((key) => store.put(key, text(""))));
      }
      expect(await listed(store.list("n/"))).toEqual(keys);
      await store.delete(keys);
      expect(await listed(store.list(""))).toEqual([]);
    });
  });
}

export function describeDeleting(current: Current): void {
  describe("deleting", () => {
    it("removes the objects named, and no others", async () => {
      const { store } = current();
      for (const key of ["a/1", "a/2", "a/3", "b"]) await store.put(key, text(key));
      await store.delete(["a/1", "a/3"]);
      expect(await listed(store.list(""))).toEqual(["a/2", "b"]);
      await expect(store.get("a/1")).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("bears what isn't there, what was named twice, and nothing", async () => {
      const { store } = current();
      await store.put("a/1", text("x"));
      await store.delete(["a/1", "a/1", "none", "no/such/folder", "a/1/below"]);
      await store.delete(["a/1"]);
      await store.delete([]);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("doesn't remove what lies below a key", async () => {
      const { store } = current();
      await store.put("a/b", text("x"));
      await store.delete(["a"]);
      expect(await read(store, "a/b")).toBe("x");
    });

    it("may go on beside puts into the same folder", async () => {
      const { store } = current();
      const rounds = Array.from({ length: 30 }, async (_, i) => {
        await store.put(`f/g/${i}`, text(`${i}`), { ifAbsent: store.capabilities.putIfAbsent });
        await store.delete([`f/g/${i}`]);
        await store.put(`f/g/h/${i}`, text(`${i}`));
      });
      await Promise.all(rounds);
      expect(await listed(store.list(""))).toHaveLength(30);
    });
  });
}

export function describeKeys(current: Current): void {
  describe("keys", () => {
    it.each(HOSTILE_KEYS)("refuse $what", async ({ key }) => {
      const { store } = current();
      const expected = { code: "BAD_KEY" };
      await expect(async () => store.put(key, text("x"))).rejects.toMatchObject(expected);
      await expect(async () => store.get(key)).rejects.toMatchObject(expected);
      await expect(async () => all(store.getStream(key))).rejects.toMatchObject(expected);
      await expect(async () => store.head(key)).rejects.toMatchObject(expected);
      await expect(async () => store.delete([key])).rejects.toMatchObject(expected);
      await expect(async () => store.exists(key)).rejects.toMatchObject(expected);
      if (store.openLog) await expect(async () => store.openLog!(key)).rejects.toMatchObject(expected);
      if (store.localPath) await expect(async () => store.localPath!(key)).rejects.toMatchObject(expected);
      expect(await listed(store.list(""))).toEqual([]);
    });

    it("say what is wrong with them", async () => {
      await expect(current().store.get("../secrets")).rejects.toThrow(/"\.\.\/secrets".*"\.\." segment/);
    });

    it.each(["../", "a//", "/a", "a/../b", "a\\b"])("refuse the prefix %j", async (prefix) => {
      await expect(async () => all(current().store.list(prefix))).rejects.toMatchObject({ code: "BAD_KEY" });
    });

    it("may be all of these, each an object of its own", async () => {
      const { store } = current();
      for (const { key } of ORDINARY_KEYS) await store.put(key, text(`body of ${key}`));
      for (const { key } of ORDINARY_KEYS) {
        expect(await read(store, key)).toBe(`body of ${key}`);
        expect(await store.exists(key)).toBe(true);
      }
      expect(await listed(store.list(""))).toEqual(ORDINARY_KEYS.map(({ key }) => key).sort());
      await store.delete(ORDINARY_KEYS.map(({ key }) => key));
      expect(await listed(store.list(""))).toEqual([]);
    });
  });
}
