import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import type { CapturedImports } from "../../src/bundle/import-records.ts";
import { type BuiltPackage, buildPackage, type CodeRequest } from "../../src/bundle/package-code.ts";

/** A folder with these files, removed after the test. */
export function project(files: Readonly<Record<string, string>>): string {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), "kinglet-project-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries({ "package.json": '{"type":"module"}', ...files })) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  return folder;
}

export const THIS_MACHINE = {
  platform: "linux",
  arch: process.arch === "arm64" ? "arm64" : "x64",
  node: "24",
} as const;

/** What the project's `main.ts` imports, as capture records it. */
export function importsFrom(
  folder: string,
  needed: readonly string[],
  mayNeed: readonly string[] = [],
): CapturedImports {
  const parent = pathToFileURL(path.join(folder, "main.ts")).href;
  const records = (specifiers: readonly string[]) => specifiers.map((specifier) => ({ parent, specifier }));
  return { needed: records(needed), mayNeed: records(mayNeed), origins: [parent], broadcasts: [] };
}

/** The code package of what the project's `main.ts` imports. */
export function packageOf(
  folder: string,
  needed: readonly string[],
  options: Partial<CodeRequest> = {},
): Promise<BuiltPackage> {
  const imports = importsFrom(folder, needed);
  return buildPackage({ imports, packages: [], files: [], cwd: folder, target: THIS_MACHINE, ...options });
}
