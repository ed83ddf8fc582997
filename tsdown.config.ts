import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    worker: "src/compute/local/worker-main.ts",
    cli: "src/cli/main.ts",
    observe: "src/observe/preload.ts",
  },
  format: "esm",
  platform: "node",
  target: "node22.18",
  dts: { sourcemap: false },
  sourcemap: true,
  clean: true,
  fixedExtension: false,
});
