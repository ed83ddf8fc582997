import { appendFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";
import { PoolSlice } from "../../src/index.ts";
import type { SliceOptions } from "../../src/slices/options.ts";
import { sliceSet } from "../../src/slices/slice-set.ts";
import { registerHandles } from "../../src/values/register.ts";
import { rejection, temporaryFolder, thrown } from "../support/pools.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const slicesIn = (folder: string, patterns: string | string[], options?: SliceOptions) =>
  all(sliceSet(patterns, options, { folder }));

/** A folder with these files. */
function folderWith(files: Record<string, string | Uint8Array>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  return folder;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `line ${n}`);

describe("slices", () => {
  it("cover files in order of their paths, each record once", async () => {
    const lines = numbers(1000);
    const folder = folderWith({ "b.txt": "last\n", "a.txt": lines.join("\r\n"), "c.md": "no\n" });
    const slices = await slicesIn(folder, "*.txt", { sliceBytes: 1000 });
    expect(slices.map(({ name, index, offsetBytes }) => [name, index, offsetBytes]).slice(0, 2)).toEqual([
      ["a.txt", 0, 0],
      ["a.txt", 1, 989],
    ]);
    expect(slices.at(-1)).toMatchObject({ name: "b.txt", index: 0, sizeBytes: 5 });
    expect(slices.at(-1)!.path).toBe(path.join(folder, "b.txt"));
    const found = await Promise.all(slices.map((slice) => all(slice.lines())));
    expect(found.flat()).toEqual([...lines, "last"]);
    expect((await Promise.all(slices.map((slice) => slice.text()))).join("")).toBe(
      `${lines.join("\r\n")}last\n`,
    );
  });

  it("are of about the same size, with nothing small left over", async () => {
    const folder = folderWith({ "a.bin": Buffer.alloc(1001) });
    const sizes = async (options: SliceOptions) =>
      (await slicesIn(folder, "a.bin", options)).map((slice) => slice.sizeBytes);
    expect(await sizes({ sliceBytes: 1000 })).toEqual([501, 500]);
    expect(await sizes({ sliceBytes: 1001 })).toEqual([1001]);
    expect(await sizes({ sliceBytes: 400, recordBytes: 91 })).toEqual([364, 364, 273]);
  });

  it("of files without content are none", async () => {
    const folder = folderWith({ "empty.txt": "", "full.txt": "x" });
    expect((await slicesIn(folder, "*.txt")).map((slice) => slice.name)).toEqual(["full.txt"]);
    expect(await slicesIn(folder, "empty.txt")).toEqual([]);
  });

  it("end with the boundary that is asked for, or anywhere", async () => {
    const folder = folderWith({ "a.txt": "one\ntwo\n\nthree\n\n\nfour" });
    const texts = async (options: SliceOptions) =>
      Promise.all((await slicesIn(folder, "a.txt", options)).map((slice) => slice.text()));
    expect(await texts({ sliceBytes: 8, boundary: "\n\n" })).toEqual(["one\ntwo\n\n", "three\n\n", "\nfour"]);
    expect(await texts({ sliceBytes: 7, boundary: null })).toEqual(["one\ntwo", "\n\nthree", "\n\n\nfour"]);
    const [first] = await slicesIn(folder, "a.txt", { boundary: Buffer.from("\n\n") });
    expect((await all(first!.chunks())).map(String).join("")).toBe("one\ntwo\n\nthree\n\n\nfour");
    expect((await all(first!.records())).map(String)).toEqual(["one\ntwo", "three", "\nfour"]);
  });

  it("of records of one size are whole numbers of them", async () => {
    const folder = folderWith({ "a.bin": Uint8Array.from({ length: 300 }, (_, n) => n % 256) });
    const slices = await slicesIn(folder, "a.bin", { sliceBytes: 100, recordBytes: 30 });
    const records = (await Promise.all(slices.map((slice) => all(slice.records())))).flat();
    expect(records.map((record) => [record.length, record[0]])).toEqual(
      Array.from({ length: 10 }, (_, n) => [30, (n * 30) % 256]),
    );
    const wrong = await rejection(slicesIn(folder, "a.bin", { recordBytes: 7 }));
    expect(wrong).toMatchObject({
      code: "BAD_ARGUMENT",
      message: expect.stringMatching(/a\.bin has 300 bytes/),
    });
  });

  it("are read lazily, in bounded memory, also from a file that fits no memory", async () => {
    const folder = folderWith({ "huge.bin": "" });
    const file = path.join(folder, "huge.bin");
    truncateSync(file, 10 * 1024 ** 3); // sparse
    const slices = await slicesIn(folder, "huge.bin");
    expect(slices.length).toBe(160);
    let streamed = 0;
    let largest = 0;
    for await (const chunk of slices[100]!.stream()) {
      streamed += chunk.length;
      largest = Math.max(largest, chunk.length);
      if (streamed >= 4 * 1024 * 1024) break; // no boundary comes: it would go on
    }
    // No record begins in it: nothing but the slice itself is looked at.
    expect([streamed, largest]).toEqual([0, 0]);
    for await (const chunk of slices[0]!.stream()) {
      streamed += chunk.length;
      largest = Math.max(largest, chunk.length);
      if (streamed >= 4 * 1024 * 1024) break;
    }
    expect(largest).toBeLessThanOrEqual(256 * 1024);
  });

  it("travel as little", async () => {
    const folder = folderWith({ "a.txt": "x" });
    registerHandles();
    const codec = createCodec(driverGraphLane());
    const [slice] = await slicesIn(folder, "a.txt");
    const bytes = Buffer.concat(codec.encode(slice, "item"));
    expect(bytes.length).toBeLessThan(500 + folder.length);
    const there = codec.decode(bytes);
    expect(there).toBeInstanceOf(PoolSlice);
    expect(await (there as PoolSlice).text()).toBe("x");
  });
});

describe("gzip files", () => {
  const lines = numbers(5000);
  const packed = gzipSync(lines.join("\n"));

  it("are one slice each, unpacked as it is read, whatever their name", async () => {
    const folder = folderWith({ "a.log.gz": packed, "b.log": packed, "c.gz": "not gzip\n" });
    const slices = await slicesIn(folder, "*", { sliceBytes: 1000 });
    expect(slices.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ["a.log.gz", packed.length],
      ["b.log", packed.length],
      ["c.gz", 9],
    ]);
    for (const slice of slices.slice(0, 2)) expect(await all(slice.lines())).toEqual(lines);
    expect(await slices[2]!.text()).toBe("not gzip\n");
    const [small] = await slicesIn(folder, "b.log");
    expect(await all(small!.lines())).toEqual(lines);
  });

  it("of several members are one text", async () => {
    const folder = folderWith({ "a.gz": Buffer.concat([gzipSync("one\n"), gzipSync("two\n")]) });
    const [slice] = await slicesIn(folder, "a.gz");
    expect(await slice!.text()).toBe("one\ntwo\n");
  });

  it("may be left packed", async () => {
    const folder = folderWith({ "a.gz": packed });
    const slices = await slicesIn(folder, "a.gz", { decompress: false, boundary: null, sliceBytes: 5000 });
    expect(slices.length).toBe(Math.ceil(packed.length / 5000));
    expect(Buffer.concat(await Promise.all(slices.map((slice) => slice.bytes()))).equals(packed)).toBe(true);
  });

  it("that are cut off or damaged are an error that names them", async () => {
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, 2000, 2100);
    const folder = folderWith({ "cut.gz": packed.subarray(0, 3000), "damaged.gz": damaged });
    for (const slice of await slicesIn(folder, "*.gz")) {
      expect(await rejection(slice.text())).toMatchObject({
        code: "STORE_CORRUPT",
        message: expect.stringContaining(`${slice.name} can't be unpacked`),
      });
    }
  });

  it("can be left half-way", async () => {
    const folder = folderWith({ "a.gz": packed });
    const [slice] = await slicesIn(folder, "a.gz");
    for await (const line of slice!.lines()) {
      expect(line).toBe("line 0");
      break;
    }
  });
});

describe("files that change after they were cut", () => {
  const changes: Record<string, (file: string) => void> = {
    "grown by a line": (file) => appendFileSync(file, "more\n"),
    shortened: (file) => truncateSync(file, 3),
    "written again": (file) => utimesSync(file, 1, 2),
    removed: (file) => rmSync(file),
  };

  it.each(Object.entries(changes))("are an error: %s", async (_how, change) => {
    const folder = folderWith({ "a.txt": "one\ntwo\n" });
    const [slice] = await slicesIn(folder, "a.txt");
    change(path.join(folder, "a.txt"));
    const error = await rejection(slice!.text());
    expect(error).toMatchObject({ code: "INPUT_CHANGED", key: slice!.path });
    expect(error.message).toMatch(/a\.txt has changed since it was cut into slices: it /);
  });

  it("are noticed while they are read, too", async () => {
    const folder = folderWith({ "a.txt": Buffer.alloc(3_000_000, "x") });
    const [slice] = await slicesIn(folder, "a.txt");
    const reading = (async () => {
      let isFirst = true;
      for await (const _chunk of slice!.stream()) {
        if (isFirst) appendFileSync(path.join(folder, "a.txt"), "y");
        isFirst = false;
      }
    })();
    expect(await rejection(reading)).toMatchObject({ code: "INPUT_CHANGED" });
  });
});

describe("bad calls", () => {
  const folder = "/";
  const wrong: [string, unknown, unknown, string, RegExp][] = [
    ["no pattern", [], {}, "BAD_ARGUMENT", /no pattern/],
    ["an empty pattern", "", {}, "BAD_ARGUMENT", /no pattern/],
    ["a pattern that is none", ["a.txt", 7], {}, "BAD_ARGUMENT", /no pattern/],
    ["nothing but an exclusion", ["!a.txt"], {}, "BAD_ARGUMENT", /no pattern/],
    ["a bucket without a key", "s3://bucket", {}, "BAD_ARGUMENT", /s3:\/\/bucket names no objects/],
    ["another kind of address", "http://host/a.csv", {}, "BAD_ARGUMENT", /names no objects/],
    ["a file that isn't there", "no/such.txt", {}, "BAD_ARGUMENT", /no file no\/such\.txt/],
    ["slices of nothing", "*", { sliceBytes: 0 }, "BAD_OPTION", /sliceBytes is 0; expected .* from 1 to/],
    ["slices of a fraction", "*", { sliceBytes: 1.5 }, "BAD_OPTION", /sliceBytes is 1.5/],
    ["an empty boundary", "*", { boundary: "" }, "BAD_OPTION", /boundary is ""/],
    ["a boundary that is none", "*", { boundary: 10 }, "BAD_OPTION", /boundary is 10/],
    ["two rules", "*", { boundary: ",", recordBytes: 3 }, "BAD_OPTION", /boundary and recordBytes/],
    ["a record beyond a slice", "*", { sliceBytes: 9, recordBytes: 10 }, "BAD_OPTION", /less than a record/],
    ["an unknown option", "*", { sliceByte: 9 }, "UNKNOWN_OPTION", /no option "sliceByte"/],
  ];

  it.each(wrong)("%s", (_what, patterns, options, code, message) => {
    const error = thrown(() => sliceSet(patterns, options as SliceOptions, { folder }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("a pattern that nothing matches, when the items are drawn", async () => {
    const error = await rejection(slicesIn(folderWith({}), "*.txt"));
    expect(error).toMatchObject({
      code: "BAD_ARGUMENT",
      message: expect.stringMatching(/no file matches \*\.txt/),
    });
  });

  it("records of slices that are cut anywhere", async () => {
    const [slice] = await slicesIn(folderWith({ "a.txt": "x" }), "a.txt", { boundary: null });
    expect(thrown(() => slice!.records())).toMatchObject({ code: "BAD_ARGUMENT" });
  });
});
