import { describe, expect } from "vitest";
import { type Current, read, type SuiteOptions, streamOf, text, unless } from "./object-store-helpers.ts";
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
