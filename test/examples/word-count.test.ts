import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { runExample, temporaryFolder } from "./run-example.ts";

test("word count counts the words of the matching files, and of no others", async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "deep/er"), { recursive: true });
  mkdirSync(path.join(folder, "library.js"));
  mkdirSync(path.join(folder, ".hidden"));
  writeFileSync(path.join(folder, "a.md"), "The wren, the kinglet; THE bird's constructor: __proto__.\n");
  writeFileSync(path.join(folder, "deep/er/b.txt"), "naïve Zoë saw the\0wren\u2028the end");
  writeFileSync(path.join(folder, "empty.md"), "");
  writeFileSync(path.join(folder, "image.png"), "the the the");
  // A folder whose name matches: what is in it counts only if it matches itself.
  writeFileSync(path.join(folder, "library.js/LICENSE"), "the the the");
  writeFileSync(path.join(folder, ".hidden/c.md"), "the the the");

  const { code, stdout, stderr } = await runExample("word-count.ts", ["--folder", folder, "--top", "3"]);
  expect(stderr).not.toContain("WRONG");
  expect(stdout).toContain(`17 words, 12 different ones, in 3 files under ${folder}`);
  expect(stdout.split("\n").slice(1, 4)).toEqual(["         5 the", "         2 wren", "         1 bird"]);
  expect(stdout).toContain("check: the same as an independent count, byte by byte");
  expect(code).toBe(0);
});

test("word count of real packages is what an independent count finds", async () => {
  const { code, stdout, stderr } = await runExample("word-count.ts", ["--folder", "node_modules/lodash"]);
  expect(stderr).not.toContain("WRONG");
  expect(stdout).toMatch(
    /^\d{5,} words, \d{3,} different ones, in \d{3,} files under node_modules\/lodash$/m,
  );
  expect(stdout).toContain("check: the same as an independent count, byte by byte");
  expect(code).toBe(0);
});
