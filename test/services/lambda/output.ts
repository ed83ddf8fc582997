import type { Readable } from "node:stream";

/**
 * Cuts what a function writes to stdout or stderr into lines.
 *
 * @param line called with each, and with what is left at the end
 */
export function readLines(output: Readable, line: (text: string) => void): void {
  let rest = "";
  output.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const text of lines) line(text);
  });
  output.on("end", () => rest !== "" && line(rest)).on("error", () => {});
}

const HEADER_BYTES = 16;
const LENGTH_AT = 4;

/**
 * Reads the frames in which AWS's runtime client hands over `console` output, one a call, however many lines it has:
 * type (4 bytes), length (4), microseconds since 1970 (8), text.
 */
export function readFrames(output: Readable, message: (text: string) => void): void {
  let rest = Buffer.alloc(0);
  output
    .on("error", () => {})
    .on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + rest.readUInt32BE(LENGTH_AT);
        if (rest.length < end) return;
        message(rest.toString("utf8", HEADER_BYTES, end));
        rest = rest.subarray(end);
      }
    });
}
