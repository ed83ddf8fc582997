import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { PATIENCE_MS, TEST_LIMIT_MS } from "./test/support/patience.ts";

const TESTS = ["test/**/*.test.ts"];
/** Long ones: every kill, many seeds, jobs on every store. docs/ARCHITECTURE.md, "Tests", says what belongs there. */
const LONG_TESTS = ["test/**/*.long.test.ts"];

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "short", include: TESTS, exclude: LONG_TESTS } },
      { extends: true, test: { name: "long", include: LONG_TESTS, env: { KINGLET_TEST_PART: "long" } } },
    ],
    reporters: ["default", "./scripts/closing-line.mjs"],
    globalSetup: ["./test/services/global-setup.ts"],
    // For the processes that tests start: from source, a worker that finds its code compiled boots in a fifth of the time.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("node_modules/.cache/compiled", import.meta.url)) },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: TEST_LIMIT_MS,
    hookTimeout: TEST_LIMIT_MS,
    expect: { poll: { timeout: PATIENCE_MS } },
  },
});
