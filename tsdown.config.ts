import { defineConfig, type UserConfig } from "tsdown";

/**
 * `import fs from "node:fs"` runs all lazy getters of the module, which loads streams, WebCrypto and more:
 * a third of the time that a process takes to load Kinglet. `process.getBuiltinModule` doesn't.
 */
const quickBuiltins = {
  name: "quick-builtins",
  renderChunk(code: string): { code: string } {
    return {
      code: code.replace(/^import (.+) from "(node:[^"]+)";$/gm, (_, names, name) => taken(names, name)),
    };
  },
};

/** `fs, { existsSync as exists }` or `* as types`, taken from a builtin module, on one line as it was. */
function taken(names: string, module: string): string {
  const builtin = `process.getBuiltinModule("${module}")`;
  const whole = /^(?:\* as )?([\w$]+)/.exec(names)?.[1];
  const parts = /\{(.+)\}/.exec(names)?.[1];
  const named = parts && `const {${parts.replaceAll(/(\S+) as (\S+)/g, "$1: $2")}} = ${whole ?? builtin};`;
  return [whole && `const ${whole} = ${builtin};`, named].filter(Boolean).join(" ");
}

const shared = {
  plugins: [quickBuiltins],
  format: "esm",
  platform: "node",
  target: "node22.18",
  sourcemap: true,
  clean: false,
  fixedExtension: false,
} satisfies UserConfig;

export default defineConfig([
  {
    ...shared,
    entry: { index: "src/index.ts", cli: "src/cli/main.ts", observe: "src/observe/preload.ts" },
    dts: { sourcemap: false },
    clean: true,
  },
  // Shares no code with the others, so that a worker process loads only what it needs: it is to start fast.
  { ...shared, entry: { worker: "src/compute/local/worker-main.ts" }, dts: false },
]);
