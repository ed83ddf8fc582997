import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ENTRY_THREW,
  ENTRY_VALUE,
  type EntryKind,
  entryIsOk,
  Run,
  RunBuilder,
} from "../../src/job/entries.ts";

const entry = fc.record({
  kind: fc.integer({ min: 0, max: 6 }) as fc.Arbitrary<EntryKind>,
  chunks: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }),
});

function build(entries: { kind: EntryKind; chunks: Uint8Array[] }[], first = 0): Run {
  const builder = new RunBuilder({ jobNumber: 3, attempt: 9, first });
  for (const { kind, chunks } of entries) builder.add(kind, chunks);
  return new Run(Buffer.concat(builder.finish()));
}

describe("a packed run of entries", () => {
  it("gives every entry back, and says whether all are well", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), fc.nat(2 ** 40), (entries, first) => {
        const run = build(entries, first);
        expect([run.jobNumber, run.attempt, run.first, run.count]).toEqual([3, 9, first, entries.length]);
        expect(run.allOk).toBe(entries.every(({ kind }) => entryIsOk(kind)));
        for (const [i, { kind, chunks }] of entries.entries()) {
          expect(run.entry(first + i)).toEqual({ kind, body: Buffer.concat(chunks) });
        }
      }),
    );
  });

  it("can be cut into parts", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 30 }), fc.nat(), fc.nat(), (entries, a, b) => {
        const from = a % entries.length;
        const count = 1 + (b % (entries.length - from));
        const part = new Run(Buffer.concat(build(entries, 100).slice(100 + from, count)));
        expect([part.first, part.count]).toEqual([100 + from, count]);
        for (let i = 0; i < count; i++) {
          expect(part.entry(100 + from + i).body).toEqual(Buffer.concat(entries[from + i]!.chunks));
        }
      }),
    );
  });

  it("refuses a task that it doesn't hold", () => {
    const run = build([{ kind: ENTRY_VALUE, chunks: [] }], 5);
    expect(() => run.entry(4)).toThrow(RangeError);
    expect(() => run.entry(6)).toThrow(RangeError);
  });

  it("holds big bodies without copying them", () => {
    const body = new Uint8Array(2 * 1024 * 1024);
    const builder = new RunBuilder({ jobNumber: 0, attempt: 1, first: 0 });
    builder.add(ENTRY_THREW, [body]);
    expect(builder.finish()[1]).toBe(body);
  });
});
