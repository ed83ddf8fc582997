import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { sort } from "../../src/dataflow/index.ts";
import { findRecords, type RecordRule } from "../../src/dataflow/records.ts";
import type { StoredObject } from "../../src/index.ts";
import { rejection } from "../support/pools.ts";
import { collect, sharedPool } from "./shared-pool.ts";

const { pool, folder, storage, close } = sharedPool();
afterAll(close);

const contentOf = async (objects: readonly StoredObject[]) =>
  Buffer.concat(await Promise.all(objects.map((object) => object.bytes())));

const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(path.join(folder, name), content);
  return path.join(folder, name);
};

describe("sort", () => {
  it("sorts lines of files by their bytes, as a plain sort does", async () => {
    const line = fc.string({
      unit: fc.constantFrom("a", "b", "é", "\u{1F600}", "\0", "abcdefgh"),
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(line), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (files, ended) => {
          const texts = files.map((lines) => lines.join("\n") + (ended && lines.length > 0 ? "\n" : ""));
          const paths = texts.map((text, i) => file(`lines-${i}`, text));
          const sorted = await sort(pool, paths, {
            lines: true,
            partitions: 3,
            output: { objects: "lines" },
          });
          const lines = texts.flatMap((text) =>
            text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n"),
          );
          const bytes = lines.map((one) => Buffer.from(one)).sort(Buffer.compare);
          expect((await contentOf(sorted)).toString()).toBe(bytes.map((one) => `${one}\n`).join(""));
          await pool.store.delete(...sorted.map(({ key }) => key));
        },
      ),
      { numRuns: 10 },
    );
  });

  it("sorts records of one size by a part of them, in total order over its objects, equal ones as they came", async () => {
    const random = seededRandom(7);
    const count = 60_000;
    const records = Buffer.alloc(20 * count);
    for (let i = 0; i < count; i++) {
      records.writeUInt16BE(Math.floor(random() * 5000), 20 * i + 3);
      records.writeUInt32BE(i, 20 * i + 10);
    }
    const input = file("records", records);
    const rule = { recordBytes: 20, keyOffset: 3, keyBytes: 2, partitions: 5 };
    const sorted = await sort(pool, input, { ...rule, compression: "zstd", output: { objects: "records" } });
    expect(sorted.map(({ key }) => key)).toEqual([0, 1, 2, 3, 4].map((n) => `records/part-0000${n}`));
    const sizes = await Promise.all(sorted.map(async (object) => (await object.bytes()).length));
    for (const size of sizes) expect(Math.abs(size / records.length - 0.2)).toBeLessThan(0.1);
    const parts = [...Array(count).keys()].map((i) => records.subarray(20 * i, 20 * i + 20));
    const expected = parts.sort(
      (a, b) => a.compare(b, 3, 5, 3, 5) || a.readUInt32BE(10) - b.readUInt32BE(10),
    );
    expect((await contentOf(sorted)).equals(Buffer.concat(expected))).toBe(true);
    expect((await collect(pool.store.list("dataflow/"))).length).toBe(0);
  });

  it("sorts values by a key of any kind, as an array or a dataset", async () => {
    const people = [..."kinglet wren tit robin tern gull wren"].map((letter, i) => ({ letter, i }));
    const expected = [...people].sort((a, b) =>
      a.letter < b.letter ? -1 : a.letter > b.letter ? 1 : a.i - b.i,
    );
    const byLetter = await sort(pool, people, { key: (one) => one.letter, partitions: 3 });
    expect(byLetter).toEqual(expected);
    const numbers = fc.array(fc.double({ noNaN: true }), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(numbers, async (given) => {
        const sorted = await sort(pool, given, { key: (n) => [-n, "same"], partitions: 4 });
        expect(sorted).toEqual([...given].sort((a, b) => b - a));
      }),
      { numRuns: 5 },
    );
    const dataset = await sort(pool, [3, 1, 2], { key: (n) => n, output: { dataset: "numbers" } });
    expect(await dataset.toArray()).toEqual([1, 2, 3]);
  });

  it("makes a run again that was lost", async () => {
    const input = file("lost", "c\nb\na\n");
    let lose = true;
    const rigged = new Proxy(pool, {
      get(target, name: keyof typeof pool) {
        const member = target[name];
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const [names] = args as [string[]];
          if (name === "broadcast" && lose) rmSync(path.join(storage, "named", names[0]!));
          if (name === "broadcast") lose = false;
          return (member as (...args: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    const sorted = await sort(rigged, input, { lines: true, output: { objects: "found" } });
    expect((await contentOf(sorted)).toString()).toBe("a\nb\nc\n");
  });

  it("says what is wrong with its options", async () => {
    const input = file("options", "b\na\n");
    const wrong = (options: object) =>
      rejection(sort(pool, input, { output: { objects: "x" }, ...options } as never));
    expect((await wrong({})).code).toBe("BAD_ARGUMENT");
    expect((await wrong({ lines: true, recordBytes: 2 })).code).toBe("BAD_ARGUMENT");
    expect((await wrong({ recordBytes: 2, keyBytes: 3 })).code).toBe("BAD_OPTION");
    expect((await wrong({ recordBytes: 3 })).message).toContain("no whole number of records");
    expect((await wrong({ lines: true, memoryMb: 1 })).code).toBe("BAD_OPTION");
    expect((await wrong({ lines: true, output: undefined })).code).toBe("BAD_OPTION");
  });
});

it("lines are found wherever they end", () => {
  const rule: RecordRule = { kind: "lines" };
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "bb"), maxLength: 40 })), (lines) => {
      const table = findRecords(Buffer.from(lines.map((line) => `${line}\n`).join("")), rule);
      expect(table.count).toBe(lines.length);
      expect([...table.ends].map((end, i) => end - table.starts[i]!)).toEqual(
        lines.map((line) => line.length),
      );
    }),
  );
});
