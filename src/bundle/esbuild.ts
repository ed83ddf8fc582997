import { createRequire } from "node:module";
import path from "node:path";
import { UsageError } from "../errors.ts";

/** Only types: the package is an optional peer dependency. */
export type Esbuild = typeof import("esbuild");

let loaded: Esbuild | undefined;

/**
 * The user's esbuild, or the one that Kinglet finds. Its service process starts with the first call and keeps no program alive.
 * @throws UsageError BAD_ARGUMENT where it isn't installed
 */
export function loadEsbuild(): Esbuild {
  loaded ??= requireFrom(path.join(process.cwd(), "_.js")) ?? requireFrom(import.meta.url);
  if (loaded) return loaded;
  throw new UsageError(
    "BAD_ARGUMENT",
    "packaging code for workers elsewhere takes esbuild, which isn't installed",
    {
      remedy: "Install it: npm i esbuild",
    },
  );
}

function requireFrom(place: string): Esbuild | undefined {
  try {
    return createRequire(place)("esbuild") as Esbuild;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
