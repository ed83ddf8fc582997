// Loaded with --import: `kinglet` is the package in src/, so that no test depends on a build.
import { registerHooks } from "node:module";

const sources = new URL("../../src/index.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "kinglet" ? { url: sources, shortCircuit: true } : next(specifier, context),
});
