import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checksum, FrameBuffer, frameChunks, scanFrames } from "../../src/job/frames.ts";

const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 20 });
const logOf = (list: readonly Uint8Array[]) =>
  Buffer.concat(list.flatMap((payload) => frameChunks([payload])));

describe("a log's frames", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(payloads, (list) => {
        const scan = scanFrames(logOf(list));
        expect(scan.torn).toBe(false);
        expect(scan.frames.map((frame) => Buffer.from(frame.payload))).toEqual(
          list.map((p) => Buffer.from(p)),
        );
      }),
    );
  });

  it("torn anywhere: every whole frame before the tear is read, and nothing after it", () => {
    fc.assert(
      fc.property(payloads, fc.nat(), (list, at) => {
        const log = logOf(list);
        const cut = log.length === 0 ? 0 : at % log.length;
        let whole = 0;
        for (let bytes = 0; whole < list.length && bytes + 8 + list[whole]!.length <= cut; whole++) {
          bytes += 8 + list[whole]!.length;
        }
        expect(scanFrames(log.subarray(0, cut)).frames).toHaveLength(whole);
      }),
    );
  });

  it("with any byte changed: the damaged frame and those after it don't count", () => {
    fc.assert(
      fc.property(
        payloads.filter((list) => list.length > 0),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (list, at, flip) => {
          const log = logOf(list);
          const where = at % log.length;
          log[where] = log[where]! ^ flip;
          let hit = 0;
          for (let end = 8 + list[0]!.length; where >= end; end += 8 + list[hit]!.length) hit += 1;
          const { frames, torn } = scanFrames(log);
          expect(torn).toBe(true);
          expect(frames.map((f) => Buffer.from(f.payload))).toEqual(
            list.slice(0, hit).map((p) => Buffer.from(p)),
          );
        },
      ),
    );
  });
});

describe("a buffer of frames", () => {
  it("holds what single frames would", () => {
    fc.assert(
      fc.property(payloads, payloads, (before, list) => {
        const buffer = new FrameBuffer();
        for (const some of [before, list]) {
          buffer.clear();
          for (const payload of some) {
            const start = buffer.begin();
            buffer.addBytes(payload);
            expect(buffer.finish(start)).toBe(payload.length + 8);
          }
        }
        expect(Buffer.from(buffer.bytes.subarray(0, buffer.end))).toEqual(logOf(list));
      }),
    );
  });

  it("grows around big payloads", () => {
    const big = new Uint8Array(3_000_000).fill(7);
    const buffer = new FrameBuffer();
    const start = buffer.begin();
    buffer.addByte(1);
    buffer.addText("é");
    buffer.addBytes(big);
    buffer.finish(start);
    const [frame] = scanFrames(buffer.bytes.subarray(0, buffer.end)).frames;
    expect(Buffer.from(frame!.payload)).toEqual(Buffer.concat([Buffer.of(1), Buffer.from("é"), big]));
  });
});

describe("the checksum", () => {
  it("is zlib's CRC-32, in pieces too, whatever the length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        expect(checksum(bytes)).toBe(crc32(bytes));
        expect(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut)))).toBe(crc32(bytes));
      }),
    );
  });
});
