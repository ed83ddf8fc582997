import { describe, expect, it } from "vitest";
import { keysIn, onEveryStore } from "../support/job-stores.ts";
import { freshStorage, rejection, testPool } from "../support/pools.ts";

/** Inline with the report, a segment of the worker's, an object of its own: by size, in S3 at other sizes than elsewhere. */
const SIZES = [0, 10, 70_000, 300_000, 1_500_000];

onEveryStore((kind) => {
  describe("values of all sizes", () => {
    it("come back, reach tasks of another job, and are read by another pool", async () => {
      const storage = freshStorage();
      const pool = testPool({ storage });
      const made = pool.map((size) => new Uint8Array(size).fill(size % 251), SIZES);
      const sums = pool.map((bytes) => bytes.reduce((sum, byte) => sum + byte, 0), made);
      const expected = SIZES.map((size) => new Uint8Array(size).fill(size % 251));
      expect(await made).toEqual(expected);
      expect(await sums).toEqual(SIZES.map((size) => size * (size % 251)));
      await pool.close();
      expect(await testPool({ storage }).attach(made.id)).toEqual(expected);
      const names = (await keysIn(storage, `journals/${made.id}/`)).map((key) =>
        key.split("/").slice(2).join("/"),
      );
      // What costs a request each is made where it is worth it.
      const objects = names.filter((name) => name.startsWith("objects/"));
      expect(objects).toHaveLength(kind === "s3" || kind === "lambda" ? 1 : 3);
      expect(names.some((name) => /^worker-.*\.log$/.test(name))).toBe(kind !== "redis");
    });

    it("travel as items too", async () => {
      const pool = testPool();
      const items = SIZES.map((size) => new Uint8Array(size).fill(7));
      expect(await pool.map((bytes) => bytes.length + (bytes.at(-1) ?? 0), items)).toEqual(
        SIZES.map((size) => size + (size > 0 ? 7 : 0)),
      );
    });

    it("and of failures: a task that throws something big", async () => {
      const pool = testPool();
      const job = pool.map(() => {
        throw Object.assign(new RangeError("big"), { data: new Uint8Array(400_000).fill(3) });
      }, [1]);
      expect(await rejection(job)).toMatchObject({ message: "big", data: new Uint8Array(400_000).fill(3) });
    });
  });
});
