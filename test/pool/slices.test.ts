import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { rejection, temporaryFolder, testPool } from "../support/pools.ts";

it("pool.slices: tasks read the records of big files, in parts", async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "logs"));
  const lines = Array.from({ length: 3000 }, (_, n) => `${n} ${n % 7 === 0 ? "ERROR" : "INFO"}`);
  writeFileSync(path.join(folder, "logs/a.log"), lines.join("\n"));
  writeFileSync(path.join(folder, "logs/b.log"), "x ERROR\n");
  const pool = testPool();
  const counts = await pool.map(
    async (slice, ctx) => {
      let errors = 0;
      for await (const line of slice.lines()) if (line.includes("ERROR")) errors++;
      return { name: slice.name, index: slice.index, errors, task: ctx.index };
    },
    pool.slices(path.join(folder, "logs/*.log"), { sliceBytes: 4000 }),
  );
  expect(counts.length).toBeGreaterThan(8);
  expect(counts.map((count) => count.task)).toEqual(counts.map((_, index) => index));
  expect(counts.at(-1)).toMatchObject({ name: "b.log", index: 0, errors: 1 });
  expect(counts.reduce((sum, count) => sum + count.errors, 0)).toBe(Math.ceil(3000 / 7) + 1);
});

it("pool.slices: a bad call starts nothing, and a glob without a match rejects the job", async () => {
  const pool = testPool();
  expect(() => pool.slices("no-such-file.csv")).toThrow(/no file no-such-file\.csv/);
  expect(() => pool.slices("*.csv", { sliceBytes: -1 })).toThrow(/sliceBytes is -1/);
  const error = await rejection(pool.map((slice) => slice.text(), pool.slices("no-such-*.csv")));
  expect(error).toMatchObject({ code: "BAD_ARGUMENT", message: expect.stringMatching(/no file matches/) });
});

it("pool.slices: a list of slices can be captured, and be part of an item", async () => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "a.txt"), "one\ntwo\nthree\n");
  const pool = testPool();
  const slices = pool.slices(path.join(folder, "a.txt"), { sliceBytes: 5 });
  const texts = await pool.run(async () => {
    const found: string[] = [];
    for await (const slice of slices) found.push(await slice.text());
    return found;
  });
  expect(texts).toEqual(["one\ntwo\n", "three\n", ""]);
});
