import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  examplesEnv,
  fileNameOf,
  furnish,
  isChecked,
  isRun,
  isTypeScript,
  promisedOutput,
  scriptOf,
  usesVitest,
} from "./examples.ts";
import { blocks, root } from "./pages.ts";
import { Workbench } from "./workbench.ts";

const examples = blocks.filter(isTypeScript);
const checked = examples.filter(isChecked);
const run = examples.filter(isRun);

let bench: Workbench;
beforeAll(async () => {
  bench = new Workbench();
  await furnish(bench);
  for (const block of checked) bench.write(fileNameOf(block), scriptOf(block));
});
afterAll(() => bench?.remove());

describe("the code in the documentation", () => {
  it("is there, most of it runs, and what doesn't says why", () => {
    expect(run.length).toBeGreaterThan(examples.length * 0.8);
    for (const { note, page, line } of examples) {
      expect(note, `${page}:${line}`).toMatch(/^$|^(check|nocheck): .{10}/);
    }
  });

  it("is well typed", async () => {
    const errors = await bench.typeErrors(checked.map(fileNameOf));
    expect(errors).toEqual([]);
  });

  it.concurrent.each(run.map((block) => ({ block, where: `${block.page}:${block.line}` })))(
    "runs: $where",
    async ({ block }) => {
      const file = fileNameOf(block);
      const args = usesVitest(block) ? [`${root}/node_modules/vitest/vitest.mjs`, "run", file] : [file];
      const { code, stdout, stderr } = await bench.node(args, {
        ...examplesEnv,
        KINGLET_STORAGE: `${file}.kinglet`,
      });
      expect(code, stderr).toBe(0);
      for (const text of promisedOutput(block)) expect(stdout.split("\n")).toContain(text);
    },
  );
});
