/** Records as gensort -a makes them: a key of 10 printable bytes, a number, text, CR LF; 100 bytes in all. */
import { closeSync, openSync, writeSync } from "node:fs";

export const RECORD_BYTES = 100;
export const KEY_BYTES = 10;
const PIECE_RECORDS = 10_000;

export function writeRecords(file: string, count: number, firstSeed = 1): void {
  let seed = firstSeed;
  const fd = openSync(file, "w", 0o600);
  try {
    for (let first = 0; first < count; first += PIECE_RECORDS) {
      const piece = Buffer.alloc(RECORD_BYTES * Math.min(PIECE_RECORDS, count - first), 0x41);
      for (let at = 0, number = first; at < piece.length; at += RECORD_BYTES, number++) {
        for (let i = 0; i < KEY_BYTES; i++) {
          seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
          piece[at + i] = 32 + (((seed >>> 8) * 95) >>> 24);
        }
        piece.write(`  ${String(number).padStart(32, "0")}  `, at + KEY_BYTES, "latin1");
        piece.write("\r\n", at + RECORD_BYTES - 2, "latin1");
      }
      writeSync(fd, piece);
    }
  } finally {
    closeSync(fd);
  }
}
