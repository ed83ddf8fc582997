import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeIn, page, section, tableRows } from "./pages.ts";
import { Workbench } from "./workbench.ts";

/** Rows of "What can't be taken along": an example that maps a function, and what the error says. */
const rows = tableRows(section(page("docs/guide/capture.md"), "What can't be taken along")).map(
  ([example, error]) => ({
    example: codeIn(example!)[0]!,
    error: plain(codeIn(error!)[0]!),
  }),
);

/** Backquotes can't stand in a table's code. */
function plain(text: string): string {
  return text.replaceAll("`", "'");
}

/** All examples in one script, each in a block of its own, so that all may use the same names. */
const script = `
  import { createSecretKey } from "node:crypto";
  import { EventEmitter } from "node:events";
  import net from "node:net";
  import { DatabaseSync } from "node:sqlite";
  import { openPool } from "kinglet";
  const pool = openPool();
  const errors = [];
  const map = (fn) => {
    try {
      pool.map(fn, [1]).catch(() => {});
      errors.push("it was captured");
    } catch (error) {
      errors.push(\`\${error.code} \${error.message}\`);
    }
  };
  ${rows.map(({ example }) => `{ try { ${example} } catch (error) { errors.push(String(error)); } }`).join("\n  ")}
  process.stdout.write(JSON.stringify(errors));
  await pool.close({ cancel: true });
`;

let bench: Workbench;
let errors: string[] = [];
beforeAll(async () => {
  bench = new Workbench();
  const file = bench.write("impossible.js", script);
  const { stdout, stderr } = await bench.node([file]);
  expect(stdout, stderr).not.toBe("");
  errors = JSON.parse(stdout);
});
afterAll(() => bench?.remove());

describe("the table of what can't be taken along", () => {
  it("has examples", () => expect(rows.length).toBeGreaterThan(12));

  it.each(rows.map((row, index) => ({ ...row, index })))("$example", ({ error, index }) => {
    expect(errors[index]).toMatch(/^CAPTURE /);
    expect(plain(errors[index]!)).toContain(error);
  });
});
