import sharp from "sharp";
import type { Block } from "./pages.ts";
import type { Workbench } from "./workbench.ts";

/**
 * Blocks of TypeScript in the documentation run as scripts of their own, in a user's folder:
 *
 * - One that opens no pool stands between `const pool = openPool();` and `await pool.close();`.
 * - `// → text` says that the script prints `text`.
 * - One that tests with vitest is run by it.
 * - ` ```ts check: why ` is only type-checked, ` ```ts nocheck: why ` is text.
 */
export const isTypeScript = ({ language }: Block): boolean => language === "ts";
export const isChecked = ({ note }: Block): boolean => !note.startsWith("nocheck");
export const isRun = ({ note }: Block): boolean => note === "";
export const usesVitest = ({ code }: Block): boolean => code.includes('from "vitest"');

/** As a whole script; lines keep their numbers. */
export function scriptOf({ code }: Block): string {
  if (/\bopenPool\(|\bdefineConfig\(/.test(code)) return `${code}\nexport {};\n`;
  const before = 'import { openPool } from "kinglet"; const pool = openPool(); ';
  return `${before}${code}\nawait pool.close();\n`;
}

export const promisedOutput = ({ code }: Block): string[] =>
  [...code.matchAll(/\/\/ → (.+)$/gm)].map(([, text]) => text!);

export const fileNameOf = (block: Block): string => {
  const name = block.page.replaceAll(/\W+/g, "-");
  return `${name}-line-${block.line}${usesVitest(block) ? ".test" : ""}.ts`;
};

/** What the examples speak of: photos, logs, modules of tasks. */
export async function furnish(bench: Workbench): Promise<void> {
  for (const [name, background] of Object.entries({ cat: "orange", dog: "brown" })) {
    const image = sharp({ create: { width: 320, height: 200, channels: 3, background } });
    bench.write(`photos/${name}.jpg`, await image.jpeg().toBuffer());
  }
  bench.write("logs/api.log", "INFO started\nERROR no route\nERROR timed out\n");
  bench.write("logs/web.log", "INFO started\nERROR not found\n");
  bench.write("tasks.ts", 'export const shout = (text: string): string => text.toUpperCase() + "!";\n');
  bench.write("shout.mjs", 'export default (text) => text.toUpperCase() + "!";\n');
}

/** Environment that the examples need. */
export const examplesEnv = { API_TOKEN: "secret" };
