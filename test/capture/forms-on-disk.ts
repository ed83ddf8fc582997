import fs from "node:fs";
import { afterAll } from "vitest";
import { type Form, writeForm } from "./forms.ts";
import type { CaseResult } from "./run-cases.ts";

const folders = new Map<Form, string>();
export const folderOf = (form: Form): string => {
  const folder = folders.get(form) ?? writeForm(form);
  folders.set(form, folder);
  return folder;
};
afterAll(() => {
  for (const folder of folders.values()) fs.rmSync(folder, { recursive: true });
});

/** Cases that did not go as they should, as text to compare with nothing. */
export function problems(results: readonly CaseResult[]): string[] {
  return results
    .filter(({ problem }) => problem)
    .map(({ feature, name, problem }) => `${feature}: ${name}: ${problem}`);
}
