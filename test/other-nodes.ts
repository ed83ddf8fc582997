import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** The supported Nodes beside the pinned one, by major version. */
export const OTHER_NODES = [22, 26] as const;

const CACHE = path.resolve(import.meta.dirname, "../node_modules/.cache/nodes");

/**
 * The binary of another Node, installed from npm's package `node` into node_modules/.cache at first use.
 *
 * @returns its path; undefined where it can't be had, after saying loudly why
 * @throws where it can't be had and `CI` is set: what isn't tested there is tested nowhere
 */
export function otherNode(major: number): string | undefined {
  const folder = path.join(CACHE, String(major));
  const binary = path.join(folder, "node_modules/node/bin/node");
  if (!fs.existsSync(binary)) install(major, folder);
  const { stdout, error } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (stdout?.startsWith(`v${major}.`)) return binary;
  const message = `NOT TESTED with Node ${major}: it could not be installed into ${folder} (${error?.message ?? stdout})`;
  if (process.env["CI"]) throw new Error(message);
  console.warn(message);
  return undefined;
}

/** Aside, then renamed: several test files may want it at the same time. */
function install(major: number, folder: string): void {
  fs.mkdirSync(CACHE, { recursive: true });
  const aside = fs.mkdtempSync(`${folder}-`);
  const args = [
    "install",
    "--prefix",
    aside,
    `node@${major}`,
    "--no-audit",
    "--no-fund",
    "--ignore-scripts=false",
  ];
  const { status, stderr } = spawnSync("npm", args, { encoding: "utf8" });
  if (status !== 0) console.warn(`npm install node@${major}: ${stderr}`);
  try {
    fs.renameSync(aside, folder);
  } catch {
    fs.rmSync(aside, { recursive: true, force: true });
  }
}
