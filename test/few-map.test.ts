import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FewMap } from "../src/few-map.ts";

const key = fc.integer({ min: 0, max: 20 });
const operations = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("set" as const), key }),
    fc.record({ what: fc.constant("delete" as const), key }),
  ),
  { maxLength: 200 },
);

describe("a map of a few entries", () => {
  it("behaves as a Map does, few or many", () => {
    fc.assert(
      fc.property(operations, (list) => {
        const few = new FewMap<number, object>();
        const map = new Map<number, object>();
        for (const { what, key } of list) {
          if (what === "set") {
            const value = {};
            few.set(key, value);
            map.set(key, value);
          } else expect(few.delete(key)).toBe(map.delete(key));
          expect(few.size).toBe(map.size);
          expect(few.get(key)).toBe(map.get(key));
          expect(few.has(key)).toBe(map.has(key));
          expect([...few.values()]).toEqual([...map.values()]);
        }
      }),
    );
  });
});
