/** Text whose words follow Zipf's law, in lines of about 80 bytes; the same for the same size. */
import { closeSync, openSync, writeSync } from "node:fs";

const WORDS = 100_000;
const PIECE_BYTES = 1024 * 1024;

export function writeText(file: string, sizeBytes: number, vocabulary = WORDS): void {
  let seed = 12345;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const words = Array.from({ length: vocabulary }, () => wordOf(random));
  const fd = openSync(file, "w", 0o600);
  try {
    let piece = "";
    let lineBytes = 0;
    for (let written = 0; written < sizeBytes; ) {
      // The inverse of the harmonic sum's approximation ln(rank): rank r comes as often as 1/r.
      const word = words[Math.floor(vocabulary ** random()) - 1]!;
      lineBytes += word.length + 1;
      piece += word + (lineBytes > 80 ? "\n" : " ");
      if (lineBytes > 80) lineBytes = 0;
      if (piece.length < PIECE_BYTES) continue;
      written += writeSync(fd, piece);
      piece = "";
    }
    writeSync(fd, `${piece}\n`);
  } finally {
    closeSync(fd);
  }
}

function wordOf(random: () => number): string {
  const length = 2 + Math.floor(9 * random() * random() + 2 * random());
  return Array.from({ length }, () => String.fromCharCode(97 + Math.floor(26 * random()))).join("");
}
