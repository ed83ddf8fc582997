import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineCutter } from "../../../src/compute/local/task-output.ts";

function cut(chunks: readonly (Uint8Array | string)[]): string[] {
  const lines: string[] = [];
  const cutter = new LineCutter((joined) => lines.push(...joined.split("\n")));
  for (const chunk of chunks) cutter.push(chunk);
  cutter.end();
  return lines;
}

describe("lines of what a task prints", () => {
  it("come one by one, the unfinished one at the end", () => {
    expect(cut(["a\nb", "c\n", "\n", "d"])).toEqual(["a", "bc", "", "d"]);
  });

  it("are whole, wherever the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme" })),
        fc.integer({ min: 1, max: 5 }),
        (lines, step) => {
          const clean = lines.map((line) => line.replaceAll("\n", "")).concat("end");
          const bytes = Buffer.from(clean.join("\n"));
          const chunks = [];
          for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step));
          expect(cut(chunks)).toEqual(clean);
        },
      ),
    );
  });

  it("are passed on in pieces where there is no end to one", () => {
    const passed: number[] = [];
    const cutter = new LineCutter((line) => passed.push(line.length));
    for (let i = 0; i < 100; i++) cutter.push("x".repeat(1000));
    expect(passed).toEqual([66000]);
  });
});
