import fs from "node:fs";
import path from "node:path";
// @ts-expect-error: it has no types
import lodash from "lodash";
import sharp from "sharp";
import { afterEach, describe, expect, test } from "vitest";
import { type Pool, type PoolOptions, task } from "../../src/index.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { hasNamespaces, openIsolatedPool } from "../support/isolated.ts";
import { freshStorage, rejection, temporaryFolder } from "../support/pools.ts";
import { countToo, triple } from "./fixtures/other.ts";
import { countCalls, double, fail, hide, Shape } from "./fixtures/shapes.ts";

/** Workers start slowly while other tests run. */

const pools: Pool[] = [];
afterEach(async () => {
  await Promise.allSettled(pools.splice(0).map((pool) => pool.close({ cancel: true })));
});

function isolatedPool(options: PoolOptions = {}): Pool {
  const pool = openIsolatedPool({ storage: freshStorage(), concurrency: 1, logs: false, ...options });
  pools.push(pool);
  return pool;
}

async function keysOf(root: string, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of openDiskStore(root).list(prefix)) keys.push(key);
  return keys;
}

describe("workers that don't see the driver's files", () => {
  test("import what a function imports: files, packages, machine code", async () => {
    const pool = isolatedPool();
    const factor = 3;
    expect(await pool.map((n) => [double(n) * factor, lodash.chunk([1, 2, 3], n).length], [1, 2])).toEqual([
      [6, 3],
      [12, 2],
    ]);
    const png = await pool.run(
      async () =>
        (
          await sharp({ create: { width: 2, height: 3, channels: 3, background: "red" } })
            .png()
            .toBuffer()
        ).length,
      undefined,
    );
    expect(png).toBeGreaterThan(50);
    expect(await pool.run(async () => (await import("./fixtures/other.ts")).triple(2), undefined)).toBe(6);
    if (hasNamespaces()) {
      const here = import.meta.filename;
      expect(await pool.run(() => fs.existsSync(here), undefined)).toBe(false);
    }
  });

  test("make instances of the program's own classes, and its errors with their lines", async () => {
    const pool = isolatedPool();
    const shapes = await pool.map((side) => new Shape(side), [1, 2]);
    expect(shapes[1]).toBeInstanceOf(Shape);
    expect(await pool.map((shape) => shape.area(), shapes)).toEqual([1, 4]);
    expect(await pool.run(() => hide(7).value, undefined)).toBe(7);
    const error = await rejection(pool.run(() => fail(), undefined));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.stack).toMatch(/at fail \(file:\/\/.*\/fixtures\/shapes\.ts:25:9\)/);
    expect(error.stack).toMatch(/isolated-pool\.test\.ts:\d+/);
  });

  test("get what items bring, also items that come later", async () => {
    const pool = isolatedPool();
    async function* functions() {
      yield (n: number) => n + 1;
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      yield double;
      yield triple;
    }
    expect(await pool.map((fn) => fn(4), functions())).toEqual([5, 8, 12]);
  });

  test("load a module once in a process, whoever imports it", async () => {
    const pool = isolatedPool();
    expect(await pool.run(() => [countCalls(), countToo()], undefined)).toEqual([1, 2]);
    expect(await pool.run(() => countToo(), undefined)).toBe(3);
  });

  test("run maps inside of tasks, modules in place of closures, and take broadcasts", async () => {
    const pool = isolatedPool();
    expect(await pool.run((_, ctx) => ctx.pool.map((n: number) => double(n) + 1, [1, 2]), undefined)).toEqual(
      [3, 5],
    );
    const byUrl = task<typeof import("./fixtures/task.ts"), "default">(
      new URL("./fixtures/task.ts", import.meta.url),
      "default",
    );
    expect(await pool.map(byUrl, [1, 2])).toEqual([3, 5]);
    const shared = pool.broadcast({ triple, shape: new Shape(3) });
    const sum = async (n: number) => (await shared.load()).triple(n) + shared.value.shape.area();
    expect(await pool.map(sum, [1])).toEqual([12]);
  });

  test("take the results of another job with what these need", async () => {
    const pool = isolatedPool();
    const functions = pool.map((n) => (n === 1 ? double : triple), [1, 2]);
    expect(await pool.map((fn) => fn(5), functions)).toEqual([10, 15]);
  });

  test("read local files and slices, which are uploaded once", async () => {
    const folder = temporaryFolder();
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    fs.writeFileSync(path.join(folder, "a.txt"), lines.join("\n"));
    fs.writeFileSync(path.join(folder, "same.txt"), lines.join("\n"));
    const storage = freshStorage();
    const pool = isolatedPool({ storage });
    const files = () => pool.files(`${folder}/*.txt`);
    const facts = await pool.map(
      async (file) => [file.name, file.path, await file.sizeBytes(), (await file.text()).length],
      files(),
    );
    const size = lines.join("\n").length;
    expect(facts).toEqual([
      ["a.txt", path.join(folder, "a.txt"), size, size],
      ["same.txt", path.join(folder, "same.txt"), size, size],
    ]);
    const found = await pool.map(
      async (slice) => {
        const own: string[] = [];
        for await (const line of slice.lines()) own.push(line);
        return own;
      },
      pool.slices(`${folder}/a.txt`, { sliceBytes: 1000 }),
    );
    expect(found.length).toBeGreaterThan(3);
    expect(found.flat()).toEqual(lines);
    expect(await keysOf(storage, "uploads/")).toHaveLength(1);
  });

  test("say what didn't travel, who imports it, and which option mends that", async () => {
    const pool = isolatedPool();
    const name = "zod";
    const missing = await rejection(pool.run(async () => import(name), undefined));
    expect(missing.message).toMatch(
      /^"zod", imported by .*isolated-pool\.test\.ts, didn't travel to this worker.*\n.*option packages: \{ packages: \["zod"\] \}$/,
    );
    const count = pool.run(async () => Object.keys(await import(name)).length, undefined, {
      packages: ["zod"],
    });
    expect(await count).toBeGreaterThan(10);
    const file = "./fixtures/other.ts";
    expect((await rejection(pool.run(async () => import(file), undefined))).message).toContain('{ files: ["');
  });

  test("find files of option files by the same relative path", async () => {
    const pool = isolatedPool();
    const text = await pool.run(() => fs.readFileSync("package.json", "utf8"), undefined, {
      files: ["package.json"],
    });
    expect(JSON.parse(text).name).toBe("kinglet");
  });

  test("name what can't be found before anything runs", async () => {
    const pool = isolatedPool();
    const gone = path.join(temporaryFolder(), "gone.mjs");
    fs.writeFileSync(gone, "export default () => 1;");
    const fn = task<{ default: () => number }, "default">(gone, "default");
    expect(await pool.run(fn, undefined)).toBe(1);
    const other = path.join(temporaryFolder(), "other.mjs");
    fs.writeFileSync(other, 'import "not-installed-anywhere";\nexport default () => 1;');
    const failing = pool.run(task<{ default: () => number }, "default">(other, "default"), undefined);
    // Locally it would fail in the task; here as there the error names it.
    expect((await rejection(failing)).message).toContain("not-installed-anywhere");
  });
});
