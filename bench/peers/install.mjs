// Installs the heavy peers: node bench/peers/install.mjs
// Those of npm into this folder, PySpark (Java 17 or newer must be there) into ~/.cache/kinglet-bench/pyspark.
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";

const run = (command, args) =>
  spawnSync(command, args, { cwd: import.meta.dirname, stdio: "inherit" }).status ?? 1;

const npm = run("npm", ["install", "--no-audit", "--no-fund"]);
const venv = path.join(homedir(), ".cache/kinglet-bench/pyspark");
const pyspark =
  run("python3", ["-m", "venv", venv]) || run(path.join(venv, "bin/pip"), ["install", "pyspark"]);
if (pyspark !== 0) console.error("PySpark could not be installed: the benchmarks go on without it.");
process.exitCode = npm;
