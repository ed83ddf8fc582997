import { describe, expect } from "vitest";
import { join } from "../../src/storage/bodies.ts";
import {
  all,
  type Current,
  listed,
  patternOf,
  read,
  type SuiteOptions,
  streamOf,
  text,
  unless,
} from "./object-store-helpers.ts";
import { racePuts } from "./put-race.ts";

export function describePutIfAbsent(current: Current, { capabilities, sharing }: SuiteOptions): void {
  const able = capabilities.putIfAbsent || "the store has no atomic put-if-absent";
  describe("put if absent", () => {
    unless(able, "creates once, and leaves what is there as it is", async () => {
      const { store } = current();
      expect(await store.put("o", text("first"), { ifAbsent: true })).toEqual({ created: true });
      expect(await store.put("o", text("second"), { ifAbsent: true })).toEqual({ created: false });
      expect(await store.put("o", streamOf("third"), { ifAbsent: true })).toEqual({ created: false });
      expect(await read(store, "o")).toBe("first");
    });

    unless(able, "counts an empty object as there", async () => {
      const { store } = current();
      await store.put("o", text(""));
      expect(await store.put("o", text("x"), { ifAbsent: true })).toEqual({ created: false });
    });

    unless(able, "creates again after a delete", async () => {
      const { store } = current();
      await store.put("o", text("first"), { ifAbsent: true });
      await store.delete(["o"]);
      expect(await store.put("o", text("second"), { ifAbsent: true })).toEqual({ created: true });
      expect(await read(store, "o")).toBe("second");
    });

    unless(able, "has exactly one winner among those who try at once, and keeps its bytes", async () => {
      const { store } = current();
      for (const sizeBytes of [10, 200_000]) {
        const key = `race/${sizeBytes}`;
        const puts = Array.from({ length: 12 }, (_, i) =>
          store.put(key, new Uint8Array(sizeBytes).fill(i), { ifAbsent: true }),
        );
        const winners = (await Promise.all(puts)).flatMap(({ created }, i) => (created ? [i] : []));
        expect(winners).toHaveLength(1);
        expect(new Set(await store.get(key))).toEqual(new Set(winners));
      }
    });

    unless(able === true ? sharing.processes : able, "has exactly one winner among processes", async () => {
      const { store, module } = current();
      const keys = Array.from({ length: 25 }, (_, i) => `race/${i}`);
      const wonBy = await racePuts(module!, keys, 4);
      for (const key of keys) {
        expect([key, wonBy.get(key)?.length]).toEqual([key, 1]);
        expect(new Set(await store.get(key))).toEqual(new Set(wonBy.get(key)));
      }
    });
  });
}

export function describeLogs(current: Current, { capabilities, sharing }: SuiteOptions): void {
  const able = capabilities.append || "the store can't append";
  describe("logs", () => {
    unless(able, "grow, and are read while they do", async () => {
      const { store } = current();
      const log = await store.openLog!("logs/w1.log");
      expect([log.key, log.sizeBytes]).toEqual(["logs/w1.log", 0]);
      expect(await read(store, "logs/w1.log")).toBe("");
      await log.append([text("one "), text(""), text("two ")]);
      expect(log.sizeBytes).toBe(8);
      expect(await read(store, "logs/w1.log")).toBe("one two ");
      await log.append([text("three")]);
      await log.append([]);
      await log.sync();
      const range = { offsetBytes: 4, lengthBytes: 100 };
      expect(Buffer.from(await store.get(log.key, { range })).toString()).toBe("two three");
      expect(Buffer.from(join(await all(store.getStream(log.key, { range })))).toString()).toBe("two three");
      await log.close();
      expect(await read(store, "logs/w1.log")).toBe("one two three");
      expect(await store.head(log.key)).toMatchObject({ sizeBytes: 13 });
      expect(await listed(store.list("logs/"))).toEqual(["logs/w1.log"]);
    });

    unless(able, "are never opened again, nor over an object", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      await log.append([text("x")]);
      await expect(async () => store.openLog!("l")).rejects.toMatchObject({ code: "BAD_KEY", key: "l" });
      await log.close();
      await expect(async () => store.openLog!("l")).rejects.toThrow("A log is never reopened");
      await store.put("o", text("object"));
      await expect(async () => store.openLog!("o")).rejects.toMatchObject({ code: "BAD_KEY" });
      expect([await read(store, "l"), await read(store, "o")]).toEqual(["x", "object"]);
    });

    unless(able, "that are closed take no more, and may be closed twice", async () => {
      const log = await current().store.openLog!("l");
      await log.close();
      await log.close();
      await expect(async () => log.append([text("x")])).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
    });

    unless(able, "take many small and some big appends", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      const chunks = Array.from({ length: 500 }, (_, i) => patternOf(i % 100 === 99 ? 300_000 : i % 50));
      for (let i = 0; i < chunks.length; i += 5) await log.append(chunks.slice(i, i + 5));
      await log.close();
      expect(Buffer.compare(await store.get("l"), join(chunks))).toBe(0);
    });

    unless(able, "are objects to put-if-absent and to delete", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      expect(await store.exists("l")).toBe(true);
      if (capabilities.putIfAbsent) {
        expect(await store.put("l", text("x"), { ifAbsent: true })).toEqual({ created: false });
      }
      await log.close();
      await store.delete(["l"]);
      expect(await store.exists("l")).toBe(false);
    });

    unless(able === true ? sharing.handles : able, "are read by another handle as they grow", async () => {
      const { store, reopen } = current();
      const other = await reopen!();
      const log = await store.openLog!("l");
      let known = 0;
      for (const piece of ["one ", "two ", "three"]) {
        await log.append([text(piece)]);
        const bytes = await other.get("l", { range: { offsetBytes: known, lengthBytes: 1000 } });
        expect(Buffer.from(bytes).toString()).toBe(piece);
        known += bytes.byteLength;
      }
      await expect(async () => other.openLog!("l")).rejects.toMatchObject({ code: "BAD_KEY" });
      await log.close();
      await other.close();
    });
  });
}
