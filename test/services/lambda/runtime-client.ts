import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";

/** AWS's runtime client for Node, which is compiled from source: https://github.com/aws/aws-lambda-nodejs-runtime-interface-client */
const PACKAGE = "aws-lambda-ric";
const VERSION = "4.0.2";
/** All that it is once it is built: the rest is sources. */
const FILES = ["index.mjs", "rapid-client.node", "package.json", "LICENSE", "NOTICE"];

/** What compiling it takes: programs, and Debian's packages of them. */
export const BUILD_NEEDS = {
  binaries: ["cmake", "g++", "make", "autoreconf", "automake", "libtoolize", "xz", "python3"],
  packages: ["cmake", "g++", "make", "autoconf", "automake", "libtool", "xz-utils", "python3"],
};

/** Where it is kept for all copies of this repository, once it has been built. */
export function runtimeFolder(): string {
  const caches = process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache");
  return path.join(caches, "kinglet-tests", `${PACKAGE}-${VERSION}-${process.platform}-${process.arch}`);
}

export const isRuntimeBuilt = (): boolean => existsSync(path.join(runtimeFolder(), FILES[0]!));

/** Builds it: about 80 seconds of a processor. @throws Error with the end of what the build says */
export function buildRuntime(): void {
  const aside = mkdtempSync(path.join(tmpdir(), `${PACKAGE}-`));
  try {
    writeFileSync(path.join(aside, "package.json"), '{ "private": true }');
    const { status, stdout, stderr } = spawnSync(
      "npm",
      [
        "install",
        `${PACKAGE}@${VERSION}`,
        "--no-audit",
        "--no-fund",
        "--foreground-scripts",
        "--ignore-scripts=false",
      ],
      { cwd: aside, encoding: "utf8", maxBuffer: 256 * 1024 * 1024, env: buildVariables() },
    );
    const built = path.join(aside, "node_modules", PACKAGE);
    if (status !== 0 || !existsSync(path.join(built, "rapid-client.node")))
      throw new Error(
        `${PACKAGE} could not be built:\n${`${stdout}\n${stderr}`.split("\n").slice(-40).join("\n")}`,
      );
    keep(built);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Copied aside, then renamed: another process may do the same. */
function keep(built: string): void {
  const folder = runtimeFolder();
  mkdirSync(path.dirname(folder), { recursive: true });
  const aside = mkdtempSync(`${folder}-`);
  for (const file of FILES) {
    copyFileSync(path.join(built, file), path.join(aside, file));
    chmodSync(path.join(aside, file), 0o644);
  }
  // Functions run as another user.
  chmodSync(aside, 0o755);
  try {
    renameSync(aside, folder);
  } catch (error) {
    rmSync(aside, { recursive: true });
    if (!isRuntimeBuilt()) throw error;
  }
}

/** node-gyp fetches Node's headers, unless they lie beside a node of this machine. The addon uses Node-API alone. */
function buildVariables(): NodeJS.ProcessEnv {
  const PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env["PATH"]}`;
  const prefix = ["/usr", "/usr/local"].find((one) => existsSync(path.join(one, "include/node/common.gypi")));
  return { ...process.env, PATH, ...(prefix ? { npm_config_nodedir: prefix } : {}) };
}
