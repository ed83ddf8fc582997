import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameBuffer, scanFrames } from "../../src/job/frames.ts";
import { decodeRecord, type JournalRecord, writeRecord } from "../../src/job/records.ts";

function through(record: JournalRecord): JournalRecord | undefined {
  const buffer = new FrameBuffer();
  const start = buffer.begin();
  writeRecord(record, buffer);
  buffer.finish(start);
  const { frames, torn } = scanFrames(buffer.bytes.subarray(0, buffer.end));
  expect([frames.length, torn]).toEqual([1, false]);
  return decodeRecord(frames[0]!.payload);
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const location = fc.record({
  log: fc.string({ unit: "grapheme", maxLength: 40 }),
  offsetBytes: fc.maxSafeNat(),
  lengthBytes: u32,
});
const records: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ type: fc.constant("input-complete" as const), jobNumber: u32, total: fc.maxSafeNat() }),
  fc.record({
    type: fc.constant("commit" as const),
    jobNumber: u32,
    first: fc.maxSafeNat(),
    count: u32,
    failed: u32,
    location,
  }),
  fc.record(
    {
      type: fc.constant("ended" as const),
      jobNumber: u32,
      state: fc.constantFrom("done" as const, "failed" as const, "cancelled" as const, "broken" as const),
      reason: fc.string({ unit: "grapheme", minLength: 1 }),
    },
    { requiredKeys: ["type", "jobNumber", "state"] },
  ),
  fc.record({
    type: fc.constant("console" as const),
    jobNumber: u32,
    attempt: u32,
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    text: fc.string({ unit: "grapheme" }),
    atMs: fc.maxSafeNat(),
  }),
);

describe("records of a driver's log", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(through(record)).toEqual(record);
      }),
    );
  });

  it("take a job's JSON from its writer", () => {
    const job = {
      number: 7,
      kind: "run",
      functionHash: "ab",
      functionName: "é",
      functionLocation: "a.ts:1:1",
      createdMs: 5,
      options: { retries: 1 },
    } as const;
    const record = { type: "job", job } as const;
    expect(through(record)).toEqual(record);
    const text = JSON.stringify(job);
    const json = { begin: text.slice(0, 20), rest: Buffer.from(text.slice(20)) };
    expect(through({ ...record, json })).toEqual(record);
  });
});
