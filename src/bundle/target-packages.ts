import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { WorkerTarget } from "../compute/contract.ts";
import { UsageError } from "../errors.ts";
import { filesOf, type InstalledPackage } from "./installed-packages.ts";

/** Whether machine code that is installed here runs there. */
export function isThisPlatform(target: WorkerTarget): boolean {
  return process.platform === target.platform && process.arch === target.arch && hasGlibc();
}

let glibc: boolean | undefined;

function hasGlibc(): boolean {
  glibc ??= !fs.readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
  return glibc;
}

/** Whether the package is for the target, by what its manifest says. */
export function fitsTarget({ manifest }: Pick<InstalledPackage, "manifest">, target: WorkerTarget): boolean {
  const allows = (field: string, value: string): boolean => {
    const given = manifest[field];
    const list = (Array.isArray(given) ? given : given === undefined ? [] : [given]).map(String);
    if (list.includes(`!${value}`)) return false;
    const wanted = list.filter((one) => !one.startsWith("!"));
    return wanted.length === 0 || wanted.includes(value) || wanted.includes("any");
  };
  return allows("os", target.platform) && allows("cpu", target.arch) && allows("libc", "glibc");
}

/** ELF's numbers of machines. */
const MACHINES: Record<WorkerTarget["arch"], number> = { x64: 0x3e, arm64: 0xb7 };

/** Files with machine code for another platform than the target. */
function wrongBinaries(files: readonly string[], target: WorkerTarget): string[] {
  return files.filter((file) => file.endsWith(".node") && !isMachineCodeFor(file, target));
}

function isMachineCodeFor(file: string, { arch }: WorkerTarget): boolean {
  const head = Buffer.alloc(20);
  const fd = fs.openSync(file, "r");
  try {
    fs.readSync(fd, head, 0, head.length, 0);
  } finally {
    fs.closeSync(fd);
  }
  return head.readUInt32BE(0) === 0x7f454c46 && head.readUInt16LE(18) === MACHINES[arch];
}

const installing = new Map<string, Promise<string>>();

/**
 * A folder with `node_modules` that holds the package, exactly this version, with all that it needs on the target, as
 * npm installs it for that platform. Kept between programs in the user's cache.
 * @throws UsageError BAD_ARGUMENT naming package, platform and remedy
 */
export function installedForTarget(found: InstalledPackage, target: WorkerTarget): Promise<string> {
  const id = `${found.name.replaceAll("/", "+")}@${found.version}-${target.platform}-${target.arch}-node${target.node}`;
  const folder = path.join(cacheFolder(), id);
  const known = installing.get(folder) ?? install(found, target, folder);
  installing.set(folder, known);
  known.catch(() => installing.delete(folder));
  return known;
}

const cacheFolder = (): string =>
  path.join(process.env["XDG_CACHE_HOME"] ?? path.join(os.homedir(), ".cache"), "kinglet", "packages");

async function install(found: InstalledPackage, target: WorkerTarget, folder: string): Promise<string> {
  if (fs.existsSync(path.join(folder, "node_modules"))) return folder;
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  const aside = fs.mkdtempSync(`${folder}-`);
  try {
    fs.writeFileSync(path.join(aside, "package.json"), "{}");
    await runNpm(found, target, aside);
    const wrong = wrongBinaries(filesOf(path.join(aside, "node_modules"), true), target);
    const right = filesOf(path.join(aside, "node_modules"), true).some((file) => file.endsWith(".node"));
    if (!right || wrong.length > 0) throw new Error(noBinary(found, wrong, aside));
    fs.renameSync(aside, folder);
  } catch (cause) {
    fs.rmSync(aside, { recursive: true, force: true });
    // Another process may have been first.
    if (!fs.existsSync(path.join(folder, "node_modules"))) throw notForTarget(found, target, cause);
  }
  return folder;
}

function noBinary({ name }: InstalledPackage, wrong: readonly string[], aside: string): string {
  return wrong.length > 0
    ? `${path.relative(aside, wrong[0]!)} is machine code for another platform`
    : `npm installed ${name} without any machine code`;
}

async function runNpm(
  { name, version }: InstalledPackage,
  target: WorkerTarget,
  folder: string,
): Promise<void> {
  const { platform, arch, node } = target;
  const args = [
    "install",
    `${name}@${version}`,
    "--prefix",
    folder,
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--force",
  ];
  const forTarget = [`--os=${platform}`, `--cpu=${arch}`, "--libc=glibc"];
  // What prebuild-install and node-pre-gyp look at, in packages that fetch their binary in a script.
  const env = {
    ...process.env,
    npm_config_platform: platform,
    npm_config_arch: arch,
    npm_config_target_platform: platform,
    npm_config_target_arch: arch,
    npm_config_target: `${node}.0.0`,
    npm_config_runtime: "node",
    npm_config_libc: "glibc",
  };
  await promisify(execFile)("npm", [...args, ...forTarget], { cwd: folder, env, timeout: 300_000 });
}

export function notForTarget(
  { name, version }: Pick<InstalledPackage, "name" | "version">,
  { platform, arch }: WorkerTarget,
  cause: unknown,
): UsageError {
  const reason = String((cause as { stderr?: string }).stderr || (cause as Error).message).trim();
  const short = reason.split("\n").slice(0, 3).join(" ");
  return new UsageError(
    "BAD_ARGUMENT",
    `${name}@${version} has machine code, and can't be had for ${platform}-${arch} (glibc), where the workers run: ${short}`,
    {
      cause,
      remedy: `Is there a version of it for ${platform}-${arch}? Run this on such a machine, or let workers have the architecture of this one (${process.arch}).`,
      details: { package: name, platform: `${platform}-${arch}` },
    },
  );
}
