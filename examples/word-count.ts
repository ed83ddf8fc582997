/**
 * The demo: counts the words of every text file under node_modules, one task a file.
 *
 * Shows: `pool.files` (the bytes are read where the task runs, only a path travels), a closure that uses a function
 * of this file, results that arrive in order while others still run, and a reduce in the driver.
 * At the end the same words are counted again without Kinglet, in another way; a difference is exit code 1.
 *
 *   npx kinglet run examples/word-count.ts            # with a progress bar and a summary
 *   node examples/word-count.ts --folder docs --top 5
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { openPool } from "kinglet";

const { values: flags } = parseArgs({
  options: {
    folder: { type: "string", default: "node_modules" },
    types: { type: "string", default: "md,txt,js,mjs,cjs,ts" },
    top: { type: "string", default: "10" },
  },
});
const types = flags.types.split(",");
const patterns = types.map((type) => `${flags.folder}/**/*.${type}`);

/** A word is a run of ASCII letters; upper and lower case count as one. */
function countWords(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(/[A-Za-z]+/g)) add(counts, word.toLowerCase(), 1);
  return counts;
}

function add(counts: Map<string, number>, word: string, times: number): void {
  counts.set(word, (counts.get(word) ?? 0) + times);
}

const pool = openPool();
const total = new Map<string, number>();
let files = 0;
for await (const counts of pool.map(async (file) => countWords(await file.text()), pool.files(patterns))) {
  files++;
  for (const [word, times] of counts) add(total, word, times);
}
await pool.close();

const ranking = [...total].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
const words = ranking.reduce((sum, [, times]) => sum + times, 0);
console.log(`${words} words, ${ranking.length} different ones, in ${files} files under ${flags.folder}`);
for (const [word, times] of ranking.slice(0, Number(flags.top)))
  console.log(String(times).padStart(10), word);

const expected = countByBytes();
const wrong = [...new Set([...expected.keys(), ...total.keys()])].filter(
  (w) => expected.get(w) !== total.get(w),
);
for (const word of wrong.slice(0, 10)) {
  console.error(
    `WRONG: ${word} was counted ${total.get(word) ?? 0} times; it is there ${expected.get(word) ?? 0} times`,
  );
}
console.log(wrong.length === 0 ? "check: the same as an independent count, byte by byte" : "check: FAILED");
process.exitCode = wrong.length === 0 ? 0 : 1;

/** The independent count: one thread, its own walk over the folder, bytes in place of text and regular expressions. */
function countByBytes(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of readdirSync(flags.folder, { recursive: true, encoding: "utf8" })) {
    const hidden = name.split(path.sep).some((part) => part.startsWith("."));
    if (hidden || !types.includes(path.extname(name).slice(1))) continue;
    const file = path.join(flags.folder, name);
    if (!statSync(file).isFile()) continue;
    let word = "";
    for (const byte of readFileSync(file)) {
      const lower = byte | 0x20;
      if (lower >= 0x61 && lower <= 0x7a && byte < 0x80) word += String.fromCharCode(lower);
      else if (word !== "") {
        add(counts, word, 1);
        word = "";
      }
    }
    if (word !== "") add(counts, word, 1);
  }
  return counts;
}
