import { describe, expect, test } from "vitest";
import { amount } from "../support/part.ts";
import { MUCH } from "../support/patience.ts";
import { forms, runAsMain, runForm } from "./forms.ts";
import { folderOf, problems } from "./forms-on-disk.ts";

/** Each form runs hundreds of cases in processes of its own. The others, and other Nodes, in the long part. */
const here = amount({ short: forms.filter(({ name }) => /stripped|^CommonJS/.test(name)), long: forms });

describe.each(here)("functions of $name", (form) => {
  test("are captured here and called in another process", MUCH, async () => {
    const results = await runForm(form, folderOf(form));
    expect(problems(results)).toEqual([]);
    expect(results.length).toBeGreaterThan(140);
  });
});

describe("the script that the process was started with", () => {
  test.each(["imports", "variables", "classes"])("%s", async (feature) => {
    const form = forms[0]!;
    expect(problems(await runAsMain(form, folderOf(form), feature, feature))).toEqual([]);
  });
});
