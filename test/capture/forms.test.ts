import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { OTHER_NODES, otherNode } from "../other-nodes.ts";
import { MUCH } from "../support/patience.ts";
import { type Form, forms, runAsMain, runForm, writeForm } from "./forms.ts";
import type { CaseResult } from "./run-cases.ts";

const folders = new Map<Form, string>();
const folderOf = (form: Form): string => {
  const folder = folders.get(form) ?? writeForm(form);
  folders.set(form, folder);
  return folder;
};
afterAll(() => {
  for (const folder of folders.values()) fs.rmSync(folder, { recursive: true });
});

/** Cases that did not go as they should, as text to compare with nothing. */
function problems(results: readonly CaseResult[]): string[] {
  return results
    .filter(({ problem }) => problem)
    .map(({ feature, name, problem }) => `${feature}: ${name}: ${problem}`);
}

/** Each form runs hundreds of cases in processes of its own. */

describe.each(forms)("functions of $name", (form) => {
  test("are captured here and called in another process", MUCH, async () => {
    const results = await runForm(form, folderOf(form));
    expect(problems(results)).toEqual([]);
    expect(results.length).toBeGreaterThan(140);
  });
});

/** The worker gets code packages alone: whatever else it imports is refused. */
describe("with code that travels as packages", () => {
  const some = forms.filter(({ name }) => /stripped|CommonJS/.test(name));
  test.each(some)("functions of $name", MUCH, async (form) => {
    const store = fs.mkdtempSync(path.join(os.tmpdir(), "kinglet-forms-store-"));
    try {
      expect(problems(await runForm(form, folderOf(form), process.execPath, store))).toEqual([]);
    } finally {
      fs.rmSync(store, { recursive: true });
    }
  });

  test("on Node 22, where CommonJS modules lie on disk", MUCH, async () => {
    const node = otherNode(22);
    if (!node) return;
    const form = forms.find(({ name }) => name === "CommonJS")!;
    const store = fs.mkdtempSync(path.join(os.tmpdir(), "kinglet-forms-store-"));
    try {
      expect(problems(await runForm(form, folderOf(form), node, store))).toEqual([]);
    } finally {
      fs.rmSync(store, { recursive: true });
    }
  });
});

describe.each(OTHER_NODES)("on Node %i", (major) => {
  const plain = forms.filter((form) => form.execArgv.length === 0);
  test.each(plain)("functions of $name", MUCH, async (form) => {
    const node = otherNode(major);
    if (!node) return;
    expect(problems(await runForm(form, folderOf(form), node))).toEqual([]);
  });
});

describe("the script that the process was started with", () => {
  test.each(["imports", "variables", "classes"])("%s", async (feature) => {
    const form = forms[0]!;
    expect(problems(await runAsMain(form, folderOf(form), feature, feature))).toEqual([]);
  });
});
