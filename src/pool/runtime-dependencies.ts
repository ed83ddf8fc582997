import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { UsageError } from "../errors.ts";
import type { CallOptions } from "../options.ts";

/**
 * `packages` and `files` name what a function needs and capture can't see. On this machine they are there already or
 * not at all: what is missing is an error here, rather than in every task.
 * @throws UsageError BAD_OPTION naming the package or file
 */
export function checkRuntimeDependencies(options: CallOptions, where: string): void {
  const require = createRequire(path.join(process.cwd(), "package.json"));
  for (const name of options.packages ?? []) {
    if (!resolves(require, name)) {
      throw new UsageError(
        "BAD_OPTION",
        `${where}: option packages names ${JSON.stringify(name)}, which isn't installed`,
        {
          remedy: `Install it: npm install ${name}`,
          details: { option: "packages" },
        },
      );
    }
  }
  for (const file of options.files ?? []) {
    if (!existsSync(file)) {
      throw new UsageError(
        "BAD_OPTION",
        `${where}: option files names ${JSON.stringify(file)}, which isn't there`,
        {
          remedy: `Paths are relative to the current folder, ${process.cwd()}.`,
          details: { option: "files" },
        },
      );
    }
  }
}

function resolves(require: NodeJS.Require, name: string): boolean {
  // A package may export no entry and no package.json: its folder is what tells.
  const folders = require.resolve.paths(name) ?? [];
  return folders.some((folder) => existsSync(path.join(folder, name, "package.json")));
}
