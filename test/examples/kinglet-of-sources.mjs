// Loaded with --import: `kinglet` is the package in src/, so that no test depends on a build.
import { registerHooks } from "node:module";

const sources = {
  kinglet: new URL("../../src/index.ts", import.meta.url).href,
  "kinglet/dataflow": new URL("../../src/dataflow/index.ts", import.meta.url).href,
};

registerHooks({
  resolve: (specifier, context, next) =>
    specifier in sources ? { url: sources[specifier], shortCircuit: true } : next(specifier, context),
});
