// Loaded with --import: `kinglet` is the package in src/, and its workers don't see the repository.
import { registerHooks } from "node:module";

const sources = {
  kinglet: new URL("../support/isolated-kinglet.ts", import.meta.url).href,
  "kinglet/dataflow": new URL("../../src/dataflow/index.ts", import.meta.url).href,
};

registerHooks({
  resolve: (specifier, context, next) =>
    specifier in sources ? { url: sources[specifier], shortCircuit: true } : next(specifier, context),
});
