import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { overlapsItself } from "../../src/slices/boundary.ts";
import { collect, cutSlice, type ReadRange } from "../../src/slices/cut.ts";
import { flattened } from "../../src/slices/flattened.ts";
import { splitEvery, splitLines, splitRecords, wholeChunks } from "../../src/slices/split.ts";

/** Ranges of a text, in chunks of a given size, as a file or a server may hand them out. */
function readerOf(bytes: Buffer, chunkBytes: number): ReadRange {
  return async function* (from, to) {
    for (let at = from; at < to; at += chunkBytes) yield bytes.subarray(at, Math.min(at + chunkBytes, to));
  };
}

/** What a split in one piece gives: a boundary at the very end begins no further record. */
function plainSplit(text: string, boundary: string): string[] {
  const parts = text.split(boundary);
  if (parts.at(-1) === "") parts.pop();
  return parts;
}

/** Each slice's bytes, for slices that end at `ends`. */
async function cutAll(bytes: Buffer, ends: readonly number[], boundary: string, chunkBytes: number) {
  const slices: Buffer[] = [];
  let offsetBytes = 0;
  for (const endBytes of ends) {
    const range = { offsetBytes, endBytes, sizeBytes: bytes.length };
    slices.push(await collect(cutSlice(readerOf(bytes, chunkBytes), range, Buffer.from(boundary))));
    offsetBytes = endBytes;
  }
  return slices;
}

async function texts(records: AsyncIterable<Uint8Array[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const some of records) found.push(...some.map((record) => Buffer.from(record).toString()));
  return found;
}

async function* chunked(bytes: Buffer, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

const boundaries = ["\n", "\r\n", "\n\n", "ab", "aa", "aba", "abab", "aaa", "\n--\n"];
const letters = fc.constantFrom("a", "a", "b", "\n", "\n", "\r\n", "-", "\n--\n", "x");
const anyText = fc.array(letters, { maxLength: 80 }).map((parts) => parts.join(""));

/** Where slices of a text end: any positions, the last one at its end. */
const cutsOf = (text: string) =>
  fc
    .uniqueArray(fc.integer({ min: 1, max: Math.max(1, text.length - 1) }), { maxLength: 12 })
    .map((cuts) => [...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length]);

const anyCase = fc
  .tuple(anyText, fc.constantFrom(...boundaries), fc.integer({ min: 1, max: 20 }))
  .chain(([text, boundary, chunkBytes]) =>
    fc.tuple(fc.constant(text), fc.constant(boundary), fc.constant(chunkBytes), cutsOf(text)),
  );

describe("slices of a file", () => {
  it("give each record once and whole, wherever they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ([text, boundary, chunkBytes, ends]) => {
        const slices = await cutAll(Buffer.from(text), ends, boundary, chunkBytes);
        expect(Buffer.concat(slices).toString()).toBe(text);
        const records: string[] = [];
        for (const slice of slices) {
          records.push(...(await texts(splitRecords(chunked(slice, chunkBytes), Buffer.from(boundary)))));
        }
        expect(records).toEqual(plainSplit(text, boundary));
      }),
      { numRuns: 3000 },
    );
  });

  it("have the records that begin in them", async () => {
    const slices = await cutAll(Buffer.from("aa\nbbbbbbbbb\nc\n\nd"), [3, 5, 8, 13, 16, 17], "\n", 4);
    expect(slices.map(String)).toEqual(["aa\n", "bbbbbbbbb\n", "", "", "c\n\n", "d"]);
  });

  it("read no more than they need", async () => {
    const bytes = Buffer.alloc(4 * 1024 * 1024, "x");
    for (let at = 99; at < bytes.length; at += 100) bytes[at] = 10;
    let read = 0;
    const counting: ReadRange = async function* (from, to) {
      for await (const chunk of readerOf(bytes, 16 * 1024)(from, to)) {
        read += chunk.length;
        yield chunk;
      }
    };
    const range = { offsetBytes: 1_000_000, endBytes: 1_100_000, sizeBytes: bytes.length };
    expect((await collect(cutSlice(counting, range, Buffer.from("\n")))).length).toBe(100_000);
    expect(read).toBeLessThan(100_000 + 64 * 1024 + 1);
  });

  it("go on beyond their end for a record that is longer than all of them", async () => {
    const text = `${"x".repeat(500_000)}\nend`;
    const slices = await cutAll(Buffer.from(text), [10, 100_000, 499_999, 500_001, text.length], "\n", 7000);
    expect(slices.map((slice) => slice.length)).toEqual([500_001, 0, 0, 0, 3]);
  });

  it("know where a run of overlapping boundaries began, however far back", async () => {
    const text = `a${"\n".repeat(200_001)}b`;
    const slices = await cutAll(Buffer.from(text), [150_000, 150_001, 150_002, text.length], "\n\n", 65_536);
    expect(Buffer.concat(slices).toString()).toBe(text);
    expect(slices.map((slice) => slice.length)).toEqual([150_001, 0, 2, 50_000]);
  });
});

describe("records of one size", () => {
  it("come whole, in chunks of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        async (bytes, recordBytes, chunkBytes) => {
          const records: Uint8Array[] = [];
          for await (const some of splitEvery(chunked(Buffer.from(bytes), chunkBytes), recordBytes)) {
            records.push(...some);
          }
          expect(Buffer.concat(records).equals(bytes)).toBe(true);
          for (const record of records.slice(0, -1)) expect(record.length).toBe(recordBytes);
        },
      ),
    );
  });
});

describe("lines", () => {
  it("are those of a plain split, without the carriage return", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), async (text, chunkBytes) => {
        const lines: string[] = [];
        for await (const some of splitLines(chunked(Buffer.from(text), chunkBytes))) lines.push(...some);
        expect(lines).toEqual(plainSplit(text, "\n").map((line) => line.replace(/\r$/, "")));
      }),
    );
  });

  it("keep characters that lie across chunks whole", async () => {
    const lines: string[] = [];
    for await (const some of splitLines(chunked(Buffer.from("naïve\n💡 Zoë\n"), 1))) lines.push(...some);
    expect(lines).toEqual(["naïve", "💡 Zoë"]);
  });
});

it("tells which boundaries overlap themselves", () => {
  const found = boundaries.filter((boundary) => overlapsItself(Buffer.from(boundary)));
  expect(found).toEqual(["\n\n", "aa", "aba", "abab", "aaa", "\n--\n"]);
});

describe("elements of batches, one by one", () => {
  const batches = async function* () {
    yield [1, 2];
    yield [];
    yield [3];
  };

  it("come in order, also when asked for all at once", async () => {
    const numbers = flattened(batches());
    const results = await Promise.all(Array.from({ length: 5 }, () => numbers.next()));
    expect(results.map(({ value }) => value)).toEqual([1, 2, 3, undefined, undefined]);
    expect(results.map(({ done }) => done)).toEqual([false, false, false, true, true]);
  });

  it("end where a loop is left, and what they come from ends too", async () => {
    let isClosed = false;
    const source = async function* () {
      try {
        yield* batches();
      } finally {
        isClosed = true;
      }
    };
    for await (const number of flattened(source())) {
      expect(number).toBe(1);
      break;
    }
    expect(isClosed).toBe(true);
  });

  it("pass an error on where it happens", async () => {
    const source = async function* () {
      yield* batches();
      throw new Error("no more");
    };
    const seen: number[] = [];
    const reading = (async () => {
      for await (const number of flattened(source())) seen.push(number);
    })();
    await expect(reading).rejects.toThrow("no more");
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe("whole chunks", () => {
  it("hold all bytes in order, and end where records do, whatever the chunks and the boundary", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r\n"), maxLength: 60 });
    const boundary = fc.constantFrom("\n", "\r\n", "\n\n", "aba");
    await fc.assert(
      fc.asyncProperty(text, boundary, fc.integer({ min: 1, max: 9 }), async (given, end, chunkBytes) => {
        const rule = { boundary: Buffer.from(end) };
        const found: string[] = [];
        for await (const chunk of wholeChunks(chunked(Buffer.from(given), chunkBytes), rule)) {
          found.push(Buffer.from(chunk).toString());
        }
        expect(found.join("")).toBe(given);
        expect(found.flatMap((chunk) => plainSplit(chunk, end))).toEqual(plainSplit(given, end));
      }),
    );
  });

  it("hold whole numbers of records of one size, but for what is left at the end", async () => {
    const sizes = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 50 }),
        sizes,
        sizes,
        async (given, recordBytes, chunkBytes) => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of wholeChunks(chunked(Buffer.from(given), chunkBytes), { recordBytes })) {
            chunks.push(chunk);
          }
          expect(Buffer.concat(chunks).equals(given)).toBe(true);
          for (const chunk of chunks.slice(0, -1)) expect(chunk.length % recordBytes).toBe(0);
        },
      ),
    );
  });
});
