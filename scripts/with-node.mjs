// Runs a tool with the Node that this repository pins (dev dependency "node"), whatever node the machine has.
// Usage: node scripts/with-node.mjs <tool of node_modules/.bin | kinglet | file> [args...]
// This file itself must run on old Nodes: keep its syntax plain.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const pinned = path.join(root, "node_modules/node/bin/node");

function pinnedNode() {
  if (existsSync(pinned)) return pinned;
  // npm was told not to run install scripts: fetch the binary now.
  spawnSync("npm", ["rebuild", "node", "--ignore-scripts=false"], { cwd: root, stdio: "inherit" });
  if (existsSync(pinned)) return pinned;
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  console.error(
    `Kinglet needs Node 22.18 or newer; this is ${process.version}, and the pinned one could not be installed.\n` +
      "Run: npm install --ignore-scripts=false",
  );
  process.exit(1);
}

function scriptOf(tool) {
  if (tool === "kinglet") return path.join(root, "bin/kinglet.mjs");
  if (/[/\\]|\.[cm]?[jt]s$/.test(tool)) return path.resolve(tool);
  const manifest = path.join(root, "node_modules", PACKAGE_OF[tool] ?? tool, "package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  return path.join(path.dirname(manifest), typeof bin === "string" ? bin : bin[tool]);
}

const PACKAGE_OF = { tsc: "typescript", biome: "@biomejs/biome", attw: "@arethetypeswrong/cli" };

const [tool, ...args] = process.argv.slice(2);
const node = pinnedNode();
const child = spawn(node, [scriptOf(tool), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: path.dirname(node) + path.delimiter + process.env.PATH },
});
// A terminal sends Ctrl-C to the child as well; the child decides how to end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9);
});
