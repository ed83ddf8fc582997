import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const CAPTURE = new URL("../../src/capture/index.ts", import.meta.url).href;

describe("what a function is, for jobs with a name", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "kinglet-identity-"));
    mkdirSync(path.join(folder, "node_modules/dep"), { recursive: true });
    write("node_modules/dep/package.json", '{ "name": "dep", "type": "module", "exports": "./index.js" }');
    write("node_modules/dep/index.js", "export const dep = 1;");
    write("deep.ts", "export const deep: number = 1;");
    write("rate.ts", 'import { deep } from "./deep.ts";\nexport const rate = () => deep;');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);

  /** Hash and identity of the function that the script makes, in a process of its own. */
  function capture(lines: string): { hash: string; identity: string } {
    write(
      "script.ts",
      `${lines}\nimport { captureFunction } from ${JSON.stringify(CAPTURE)};\n` +
        "const { hash, identity } = captureFunction(fn);\nconsole.log(JSON.stringify({ hash, identity: identity() }));",
    );
    return JSON.parse(execFileSync(process.execPath, [path.join(folder, "script.ts")], { encoding: "utf8" }));
  }

  const typed =
    'import { rate } from "./rate.ts";\nimport { dep } from "dep";\n' +
    "class Price { value: number; constructor(value: number) { this.value = value; } }\nconst factor = 2;\n" +
    "const fn = (x: number) => new Price(x * factor * rate() * dep);";
  it("stays the same below a comment, though its stack leads to another line", () => {
    const before = capture(typed);
    const after = capture(`// a comment\n\n${typed}`);
    expect(after.identity).toBe(before.identity);
    expect(after.hash).not.toBe(before.hash);
  });

  it("changes with its code, and with a captured value", () => {
    const { identity } = capture(typed);
    expect(capture(typed.replace("x * factor", "x + factor")).identity).not.toBe(identity);
    expect(capture(typed.replace("factor = 2", "factor = 3")).identity).not.toBe(identity);
  });

  it("changes with a file that it imports, and with one that this imports", () => {
    const first = capture(typed).identity;
    write("rate.ts", 'import { deep } from "./deep.ts";\nexport const rate = () => deep + 1;');
    const second = capture(typed).identity;
    write("deep.ts", "export const deep: number = 2;");
    const third = capture(typed).identity;
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it("doesn't change with a package", () => {
    const { identity } = capture(typed);
    write("node_modules/dep/index.js", "export const dep = 2;");
    expect(capture(typed).identity).toBe(identity);
  });
});
