import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, type Frame, FrameParser } from "../../../src/compute/local/protocol.ts";

function parse(bytes: Buffer, cuts: readonly number[]): Frame[] {
  const parser = new FrameParser();
  const frames: Frame[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    parser.push(bytes.subarray(at, Math.max(at, cut)), (frame) => frames.push(frame));
    at = Math.max(at, cut);
  }
  return frames;
}

describe("frames between driver and worker", () => {
  it("come back whole, however the stream is cut", () => {
    const message = fc.record({
      type: fc.integer({ min: 1, max: 127 }),
      head: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(2000)), (messages, cuts) => {
        const bytes = Buffer.concat(
          messages.flatMap(({ type, head, body }) => encodeFrame(type, head, body)),
        );
        const sorted = cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
        const frames = parse(bytes, sorted);
        expect(frames.map(({ type, head, body }) => ({ type, head, body: [...body] }))).toEqual(
          messages.map(({ type, head, body }) => ({ type, head: { ...head }, body: [...body] })),
        );
      }),
    );
  });

  it("don't copy a big body to be sent", () => {
    const body = new Uint8Array(1024 * 1024);
    expect(encodeFrame(1, {}, body)[1]).toBe(body);
  });

  it("are each in memory of their own: the reader's buffer is used again", () => {
    const chunk = Buffer.concat(encodeFrame(1, {}, Buffer.from("first")));
    const frames: Frame[] = [];
    new FrameParser().push(chunk, (frame) => frames.push(frame));
    chunk.fill(0);
    expect(Buffer.from(frames[0]!.body).toString()).toBe("first");
  });

  it("refuse a length that can't be one", () => {
    expect(() => parse(Buffer.from("what a stray print would send"), [])).toThrow(/no frame/);
  });
});
