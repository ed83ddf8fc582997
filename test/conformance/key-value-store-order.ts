import { describe, expect, it } from "vitest";
import type { KeyValueStore } from "../../src/storage/kv/contract.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import type { KeyValueSuiteOptions, OpenedKeyValueStore } from "./key-value-store.ts";
import { shown } from "./key-value-store-values.ts";
import { all, text, unless } from "./object-store-helpers.ts";

type Current = () => OpenedKeyValueStore;

const listed = async (store: KeyValueStore, prefix: string, after?: string): Promise<string[]> =>
  (await all(store.list(prefix, after === undefined ? {} : { after }))).map(({ key }) => key);

export function describeListedKeys(current: Current): void {
  describe("listing", () => {
    const KEYS = ["a", "a-b", "b/1", "b/10", "b/2", "b/ç", "b/\u{1f600}", "b/\uffee", "b/\ud7ff", "bb", "Z"];

    it("gives the listed keys in code-unit order, by prefix, and after a key", async () => {
      const { store } = current();
      for (const key of KEYS) await store.set(key, text(key), { listed: true });
      await store.set("b/unlisted", text("x"));
      for (const prefix of ["", "a", "b", "b/", "b/1", "b/\ud83d".slice(0, 2), "none", "bb"]) {
        for (const after of [undefined, "", "a", "b/1", "b/10", "b/\u{1f600}", "bb", "zzz"]) {
          const expected = KEYS.filter((key) => key.startsWith(prefix) && key > (after ?? "")).sort();
          expect([prefix, after, await listed(store, prefix, after)]).toEqual([prefix, after, expected]);
        }
      }
    });

    it("gives the start of values, versions and times, as getVersioned does", async () => {
      const { store } = current();
      await store.compareAndSet("k", undefined, text("value"), { listed: true });
      const [found] = await all(store.list("", { maxBytes: 3 }));
      expect(shown(found!.value)).toBe("val");
      expect(found).toMatchObject({ key: "k", ...(await store.getVersioned("k", { maxBytes: 3 })) });
    });

    it("forgets what is deleted and taken, and goes on knowing what is set again", async () => {
      const { store } = current();
      for (const key of ["a", "b", "c", "d"]) await store.exchange(key, text(key), { listed: true });
      await store.delete(["a"]);
      await store.take("b");
      await store.set("c", text("again"));
      expect(await listed(store, "")).toEqual(["c", "d"]);
      await store.set("a", text("unlisted"));
      expect(await listed(store, "")).toEqual(["c", "d"]);
    });

    it("goes through thousands of keys, and can be left", async () => {
      const { store } = current();
      const keys = Array.from({ length: 3000 }, (_, i) => `n/${String(i).padStart(5, "0")}`);
      await store.setMany(
        keys.map((key) => [key, text("")]),
        { listed: true },
      );
      expect(await listed(store, "n/")).toEqual(keys);
      expect(await listed(store, "n/", keys[1499])).toEqual(keys.slice(1500));
      for await (const { key } of store.list("n/")) if (key === keys[700]) break;
    });

    it("scans all keys, listed or not", async () => {
      const { store } = current();
      const keys = Array.from({ length: 2500 }, (_, i) => `s/${i}`);
      await store.setMany(keys.map((key) => [key, text("")]));
      await store.set("other", text("x"), { listed: true });
      expect([...new Set(await all(store.scan("s/")))].sort()).toEqual(keys.sort());
      expect(new Set(await all(store.scan("")))).toEqual(new Set([...keys, "other"]));
    });
  });
}

export function describeWaits(current: Current, { capabilities }: KeyValueSuiteOptions): void {
  const able = capabilities.shared || "the store lives in one handle";
  describe("waiting for a change", () => {
    it("ends at once where the key has changed already", async () => {
      const { store } = current();
      await store.set("k", text("one"));
      const { version } = (await store.getVersioned("k"))!;
      expect(await store.waitForChange("k", undefined)).toEqual({ changed: true, version });
      await store.set("k", text("two"));
      const next = await store.waitForChange("k", version);
      expect(next).toEqual({ changed: true, version: (await store.getVersioned("k"))!.version });
      await store.delete(["k"]);
      expect(await store.waitForChange("k", next.version)).toEqual({ changed: true, version: undefined });
    });

    it.each([
      ["set", (store: KeyValueStore) => store.set("k", text("two"))],
      ["setMany", (store: KeyValueStore) => store.setMany([["k", text("two")]])],
      ["append", (store: KeyValueStore) => store.append("k", text("!"))],
      ["setRange", (store: KeyValueStore) => store.setRange("k", 0, text("!"))],
      ["increment", (store: KeyValueStore) => store.increment("k")],
      ["exchange", (store: KeyValueStore) => store.exchange("k", text("two"))],
      ["delete", (store: KeyValueStore) => store.delete(["k"])],
      ["take", (store: KeyValueStore) => store.take("k")],
      ["expire", (store: KeyValueStore) => store.expire(["k"], 1)],
    ])("ends with %s", async (_what, change) => {
      const { store } = current();
      await store.set("k", text("1"));
      const seen = (await store.getVersioned("k"))!;
      const waits = [1, 2, 3].map(() => store.waitForChange("k", seen.version, { timeoutMs: PATIENCE_MS }));
      await store.set("other", text("x"));
      await change(store);
      for (const wait of waits) expect((await wait).changed).toBe(true);
    });

    it("ends when its time is up, or by a signal", async () => {
      const { store } = current();
      expect(await store.waitForChange("k", undefined, { timeoutMs: 30 })).toEqual({
        changed: false,
        version: undefined,
      });
      const controller = new AbortController();
      const wait = store.waitForChange("k", undefined, { signal: controller.signal });
      controller.abort(new Error("enough"));
      await expect(wait).rejects.toThrow("enough");
      await expect(async () =>
        store.waitForChange("k", undefined, { signal: controller.signal }),
      ).rejects.toThrow("enough");
    });

    it("ends when the store is closed", async () => {
      const { store } = current();
      const wait = store.waitForChange("k", undefined);
      wait.catch(() => {});
      await store.waitForChange("k", undefined, { timeoutMs: 20 });
      await store.close();
      await expect(wait).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await expect(async () => store.get("k")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    });

    unless(able, "passes a ball between clients, a hundred times", async () => {
      const { store, reopen } = current();
      const other = await reopen!();
      const hit = async (mine: KeyValueStore, parity: number) => {
        let since: string | undefined;
        for (;;) {
          const ball = await mine.getVersioned("ball");
          const count = Number(shown(ball?.value) ?? 0);
          if (count >= 100) return count;
          if (count % 2 === parity) await mine.set("ball", text(String(count + 1)));
          since = ball?.version;
          const { changed } = await mine.waitForChange("ball", since, { timeoutMs: PATIENCE_MS });
          expect(changed).toBe(true);
        }
      };
      expect(await Promise.all([hit(store, 0), hit(other, 1)])).toEqual([100, 100]);
      await other.close();
    });

    unless(able, "sees the last of many changes that others make", async () => {
      const { store, reopen } = current();
      const other = await reopen!();
      const writing = (async () => {
        for (let i = 1; i <= 300; i += 1) await other.set("k", text(String(i)));
      })();
      let seen = await store.getVersioned("k");
      while (shown(seen?.value) !== "300") {
        expect((await store.waitForChange("k", seen?.version, { timeoutMs: PATIENCE_MS })).changed).toBe(
          true,
        );
        seen = await store.getVersioned("k");
      }
      await writing;
      await other.close();
    });
  });
}
