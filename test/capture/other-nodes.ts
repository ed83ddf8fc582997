import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const CACHE = path.resolve(import.meta.dirname, "../../node_modules/.cache/kinglet-nodes");

/** Other lines of Node that Kinglet supports, besides the one that runs the tests. */
export const otherMajors: readonly number[] = [22, 24, 26].filter((major) => major !== ownMajor());

function ownMajor(): number {
  return Number.parseInt(process.versions.node, 10);
}

/**
 * Path of the newest Node of a major version, installed from npm into node_modules/.cache the first time. Undefined if
 * it can't be had, said loudly; in CI that is an error, for nothing must be skipped there.
 */
export async function otherNode(major: number): Promise<string | undefined> {
  const folder = path.join(CACHE, String(major));
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const binary = path.join(
    folder,
    "node_modules",
    name,
    "bin",
    process.platform === "win32" ? "node.exe" : "node",
  );
  if (!fs.existsSync(binary)) await install(folder, `${name}@${major}`);
  try {
    const version = execFileSync(binary, ["--version"], { encoding: "utf8" });
    if (version.startsWith(`v${major}.`)) return binary;
  } catch {
    // said below
  }
  const message = `SKIPPED: Node ${major} could not be installed from npm, so nothing is tested with it`;
  if (process.env["CI"]) throw new Error(message);
  console.error(`\n${"!".repeat(message.length)}\n${message}\n${"!".repeat(message.length)}\n`);
  return undefined;
}

async function install(folder: string, spec: string): Promise<void> {
  // Test files run side by side: each installs into a folder of its own, and the first one to finish gives it the name.
  const own = `${folder}.${process.pid}`;
  fs.mkdirSync(own, { recursive: true });
  fs.writeFileSync(path.join(own, "package.json"), '{"private":true}');
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", own, spec];
  const child = spawn("npm", args, { cwd: own, stdio: "ignore" });
  await new Promise((resolve) => child.on("close", resolve).on("error", resolve));
  try {
    fs.renameSync(own, folder);
  } catch {
    fs.rmSync(own, { recursive: true, force: true });
  }
}
