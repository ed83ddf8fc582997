import { describe, expect } from "vitest";
import { join, sizeOf } from "../../src/storage/bodies.ts";
import type { AppendPlace, ObjectStore } from "../../src/storage/contract.ts";
import { segmentKey } from "../../src/storage/segmented-log.ts";
import { type Current, listed, patternOf, type SuiteOptions, text, unless } from "./object-store-helpers.ts";

/** All bytes of a log: one object, or its segments in order. */
export async function bytesOfLog(store: ObjectStore, key: string): Promise<Uint8Array> {
  if (store.capabilities.append === "native") return store.get(key);
  const segments: Uint8Array[] = [];
  for (let n = 0; await store.exists(segmentKey(key, n)); n++)
    segments.push(await store.get(segmentKey(key, n)));
  return join(segments);
}

const textOf = async (store: ObjectStore, key: string): Promise<string> =>
  Buffer.from(await bytesOfLog(store, key)).toString();

/** Logs, native or emulated: for both the same holds. */
export function describeLogs(current: Current, { capabilities, sharing }: SuiteOptions): void {
  const able = capabilities.append !== false || "the store can't append";
  const native = capabilities.append === "native" || "its logs are rows of objects";
  describe("logs", () => {
    unless(able, "grow, and are read while they do", async () => {
      const { store } = current();
      const log = await store.openLog!("logs/w1.log");
      expect([log.key, log.sizeBytes]).toEqual(["logs/w1.log", 0]);
      expect(await textOf(store, "logs/w1.log")).toBe("");
      await log.append([text("one "), text(""), text("two ")]);
      expect(log.sizeBytes).toBe(8);
      expect(await textOf(store, "logs/w1.log")).toBe("one two ");
      await log.append([text("three")]);
      await log.append([]);
      await log.sync();
      expect(await textOf(store, "logs/w1.log")).toBe("one two three");
      await log.close();
      expect([log.sizeBytes, await textOf(store, "logs/w1.log")]).toEqual([13, "one two three"]);
      expect((await listed(store.list("logs/")))[0]).toBe("logs/w1.log");
    });

    unless(native, "are each one object", async () => {
      const { store } = current();
      const log = await store.openLog!("logs/w1.log");
      await log.append([text("one two ")]);
      await log.append([text("three")]);
      const range = { offsetBytes: 4, lengthBytes: 100 };
      expect(Buffer.from(await store.get(log.key, { range })).toString()).toBe("two three");
      expect(await store.head(log.key)).toMatchObject({ sizeBytes: 13 });
      expect(await listed(store.list("logs/"))).toEqual(["logs/w1.log"]);
      await log.close();
    });

    unless(able, "say where what was appended lies, also of appends that overlap", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      const bodies = Array.from({ length: 40 }, (_, i) => patternOf(1 + ((i * 37) % 200)));
      const places: AppendPlace[] = [];
      for (let i = 0; i < bodies.length; i += 8) {
        places.push(...(await Promise.all(bodies.slice(i, i + 8).map((body) => log.append([body])))));
      }
      await log.close();
      for (const [i, { key, offsetBytes }] of places.entries()) {
        const range = { offsetBytes, lengthBytes: bodies[i]!.length };
        expect(Buffer.compare(await store.get(key, { range }), bodies[i]!)).toBe(0);
      }
      expect(Buffer.compare(await bytesOfLog(store, "l"), join(bodies))).toBe(0);
      expect(log.sizeBytes).toBe(sizeOf(bodies));
    });

    unless(able, "are never opened again, nor over an object", async () => {
      const { store } = current();
      // An emulated log exists from its first append on, and only that can tell.
      const openAndAppend = async (key: string) => (await store.openLog!(key)).append([text("again")]);
      const log = await store.openLog!("l");
      await log.append([text("x")]);
      await expect(openAndAppend("l")).rejects.toMatchObject({ code: "BAD_KEY", key: "l" });
      await log.close();
      await expect(openAndAppend("l")).rejects.toThrow("A log is never reopened");
      await store.put("o", text("object"));
      await expect(openAndAppend("o")).rejects.toMatchObject({ code: "BAD_KEY" });
      const object = Buffer.from(await store.get("o")).toString();
      expect([await textOf(store, "l"), object]).toEqual(["x", "object"]);
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
      const chunks = Array.from({ length: 200 }, (_, i) => patternOf(i % 50 === 49 ? 300_000 : i % 50));
      for (let i = 0; i < chunks.length; i += 5) await log.append(chunks.slice(i, i + 5));
      await log.close();
      expect(Buffer.compare(await bytesOfLog(store, "l"), join(chunks))).toBe(0);
    });

    unless(able, "are objects to put-if-absent and to delete", async () => {
      const { store } = current();
      const log = await store.openLog!("l");
      await log.append([text("x")]);
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
      let known = "";
      for (const piece of ["one ", "two ", "three"]) {
        await log.append([text(piece)]);
        known += piece;
        expect(await textOf(other, "l")).toBe(known);
      }
      await expect(async () => (await other.openLog!("l")).append([text("x")])).rejects.toMatchObject({
        code: "BAD_KEY",
      });
      await log.close();
      await other.close();
    });
  });
}
