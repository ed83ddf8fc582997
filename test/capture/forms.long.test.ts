import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { OTHER_NODES, otherNode } from "../other-nodes.ts";
import { MUCH } from "../support/patience.ts";
import "./forms.test.ts";
import { forms, runForm } from "./forms.ts";
import { folderOf, problems } from "./forms-on-disk.ts";

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
