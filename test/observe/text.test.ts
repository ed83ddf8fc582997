import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOf, formatDuration, formatSize, harmless, harmlessLines } from "../../src/observe/text.ts";

describe("text of others", () => {
  it.each([
    ["colours", "\u001b[31mred\u001b[0m", "red"],
    ["a cleared screen", "a\u001b[2J\u001b[Hb", "ab"],
    ["a window title", "a\u001b]0;owned\u0007b", "ab"],
    ["a link", "\u001b]8;;http://evil\u0007click\u001b]8;;\u0007", "click"],
    ["C1 controls", "a\u009b31mb\u0085c", "abc"],
    ["a carriage return that hides what stands before", "real\rfake", "realfake"],
    ["backspaces", "rm\b\bls", "rmls"],
    ["text that runs backward", "a\u202etxt.exe", "atxt.exe"],
    ["a bare escape", "a\u001b", "a"],
    ["tabs and letters of all kinds, which stay", "a\tü 漢 🙂", "a\tü 漢 🙂"],
  ])("loses %s", (_what, text, left) => {
    expect(harmless(text)).toBe(left);
  });

  it("never holds anything that a terminal obeys", () => {
    const nasty = fc.string({
      unit: fc.constantFrom("\u001b", "[", "]", "2", "J", "m", "\u0007", "\u009b", "\r", "\n", "x"),
    });
    fc.assert(
      fc.property(nasty, (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
        expect(harmless(text)).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
        expect(
          harmlessLines(text)
            .split("\n")
            .every((line) => line === harmless(line)),
        ).toBe(true);
      }),
    );
  });
});

describe("numbers with units", () => {
  it.each([
    [0, "0 ms"],
    [0.25, "0.25 ms"],
    [12.4, "12 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [59_940, "59.9 s"],
    [59_960, "1 min"],
    [125_000, "2 min 5 s"],
    [3_600_000, "1 h"],
    [12_060_000, "3 h 21 min"],
    [442_800_000, "5 d 3 h"],
  ])("%d ms are %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [1024 * 1024 - 1, "1.0 MiB"],
    [20 * 1024 ** 2, "20 MiB"],
    [5 * 1024 ** 5, "5120 TiB"],
  ])("%d bytes are %s", (sizeBytes, text) => {
    expect(formatSize(sizeBytes)).toBe(text);
  });

  it("count in the singular and the plural", () => {
    expect([0, 1, 1234].map((n) => countOf(n, "task"))).toEqual(["0 tasks", "1 task", "1,234 tasks"]);
    expect(countOf(2, "crash", "crashes")).toBe("2 crashes");
  });
});
