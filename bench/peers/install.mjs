// Installs the heavy peers into this folder: node bench/peers/install.mjs
import { spawnSync } from "node:child_process";

const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund"], {
  cwd: import.meta.dirname,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
