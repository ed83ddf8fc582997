import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Invocation } from "../../../src/compute/contract.ts";
import { type Frame, FrameParser } from "../../../src/compute/local/protocol.ts";
import {
  decodeInvoke,
  decodeOutcomes,
  encodeInvoke,
  encodeOutcomes,
  isOfJob,
  jobHeadOf,
  sequenceOf,
} from "../../../src/compute/local/work-frames.ts";
import { ENTRY_VALUE, RunBuilder } from "../../../src/job/entries.ts";

function frameOf(chunks: readonly Uint8Array[]): Frame {
  const frames: Frame[] = [];
  new FrameParser().push(Buffer.concat(chunks), (frame) => frames.push(frame));
  expect(frames).toHaveLength(1);
  return frames[0]!;
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = fc.uint8Array({ maxLength: 300 });

const invocations: fc.Arbitrary<Invocation> = fc.record({
  attempt: u32,
  slot: fc.constant("local-1"),
  job: fc.record({ journalId: fc.constant("261121-k3f9x2"), number: u32 }),
  journalPrefix: fc.constant("journals/261121-k3f9x2/"),
  functionKey: fc.constant("functions/ab"),
  first: fc.maxSafeNat(),
  count: u32,
  inputs: bytes,
  options: fc.constant({ timeoutMs: 5 }),
});

describe("an invocation", () => {
  it("arrives as it was sent", () => {
    fc.assert(
      fc.property(u32, invocations, (sequence, invocation) => {
        const { body } = frameOf(encodeInvoke(sequence, invocation));
        expect(sequenceOf(body)).toBe(sequence);
        const decoded = decodeInvoke(body, jobHeadOf(invocation));
        expect({ ...decoded, inputs: [...decoded.inputs] }).toEqual({
          ...invocation,
          inputs: [...invocation.inputs],
        });
      }),
    );
  });

  const one: Invocation = {
    attempt: 1,
    slot: "local-0",
    job: { journalId: "j", number: 1 },
    journalPrefix: "journals/j/",
    functionKey: "functions/f",
    first: 0,
    count: 1,
    inputs: new Uint8Array(),
    options: { timeoutMs: 100 },
  };

  it("of the next call of the same function needs no words about the job", () => {
    const next = { ...one, attempt: 2, job: { journalId: "j", number: 2 }, options: { timeoutMs: 100 } };
    expect(isOfJob(jobHeadOf(one), next)).toBe(true);
  });

  it.each<[string, Partial<Invocation>]>([
    ["function", { functionKey: "functions/g" }],
    ["journal", { job: { journalId: "k", number: 1 } }],
    ["slot", { slot: "local-1" }],
    ["time limit", { options: { timeoutMs: 200 } }],
    ["missing time limit", { options: {} }],
    ["process of its own", { options: { timeoutMs: 100, isolate: true } }],
    ["memory limit", { options: { timeoutMs: 100, memoryMb: 64 } }],
    ["environment", { options: { timeoutMs: 100, env: { A: "1" } } }],
    ["flushing", { options: { timeoutMs: 100, flushEachTask: true } }],
    ["syncing", { options: { timeoutMs: 100, sync: true } }],
    ["depth", { options: { timeoutMs: 100, depth: 1 } }],
  ])("with another %s does", (_what, change) => {
    expect(isOfJob(jobHeadOf(one), { ...one, ...change })).toBe(false);
  });
});

describe("an invocation with environment variables", () => {
  it("always says them: their object may have been changed", () => {
    const env = { A: "1" };
    const invocation: Invocation = {
      attempt: 1,
      slot: "local-0",
      job: { journalId: "j", number: 1 },
      journalPrefix: "journals/j/",
      functionKey: "functions/f",
      first: 0,
      count: 1,
      inputs: new Uint8Array(),
      options: { env },
    };
    expect(isOfJob(jobHeadOf(invocation), invocation)).toBe(false);
  });
});

describe("reported outcomes", () => {
  it("arrive as they were sent", () => {
    const cases = fc.record({
      sequence: u32,
      ended: fc.boolean(),
      first: fc.maxSafeNat(),
      body: bytes,
      at: u32,
      inline: fc.boolean(),
    });
    fc.assert(
      fc.property(
        cases,
        fc.double({ min: 0, max: 1e9 }),
        ({ sequence, ended, first, body, at, inline }, busyMs) => {
          const builder = new RunBuilder({ jobNumber: 3, attempt: 7, first });
          builder.add(ENTRY_VALUE, [body]);
          const run = builder.finish()[0]!;
          const stored = { log: "worker-ab12-3.log", offsetBytes: at * 1000, lengthBytes: at };
          const location = inline ? undefined : stored;
          const report = { location, first, count: 1, run, busyMs };
          const frame = frameOf(encodeOutcomes(sequence, report, ended));
          expect(sequenceOf(frame.body)).toBe(sequence);
          const decoded = decodeOutcomes(frame.body);
          expect(decoded.ended).toBe(ended);
          expect({ ...decoded.report, run: [...decoded.report.run] }).toEqual({ ...report, run: [...run] });
        },
      ),
    );
  });
});
