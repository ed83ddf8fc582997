/** What scripts/services.mjs does: installs the test services, or keeps them between test runs. */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findBinary, missingBinaries, missingParts, NEEDS, type ServiceName } from "./binaries.ts";
import { askKeeper, SOCKET_VARIABLE, socketIn, startKeeper } from "./keeper-process.ts";
import { BUILD_NEEDS, buildRuntime, isRuntimeBuilt } from "./lambda/runtime-client.ts";

const SERVICES = Object.keys(NEEDS) as ServiceName[];
/** One for each user of the machine; the same from all copies of this repository. */
const KEPT = path.join(tmpdir(), `kinglet-services-of-${process.getuid?.() ?? "user"}`);
const UPDATE_ATTEMPTS = 5;
const USAGE = `usage: node scripts/services.mjs install | start | stop
  install  installs what is missing of radosgw, Redis and the parts of AWS Lambda, by apt-get and npm
  start    starts them to stay, for many test runs; prints what to export
  stop     ends them`;

class Refusal extends Error {}

function install(): void {
  const buildsRuntime = !isRuntimeBuilt();
  const missing = SERVICES.filter((name) => missingBinaries(name).length > 0);
  const binaries = new Set(missing.flatMap(missingBinaries));
  const packages = new Set(missing.flatMap((name) => NEEDS[name].packages));
  if (buildsRuntime) {
    const lacking = BUILD_NEEDS.binaries.filter((name) => !findBinary(name));
    for (const name of lacking) binaries.add(name);
    if (lacking.length > 0) for (const name of BUILD_NEEDS.packages) packages.add(name);
  }
  if (packages.size > 0) installPackages([...packages], [...binaries]);
  if (buildsRuntime) {
    console.log("compiling AWS's runtime client, once for this user and machine: a minute or two");
    buildRuntime();
  }
  const stillMissing = new Set(SERVICES.flatMap(missingParts));
  if (stillMissing.size > 0) throw new Refusal(`installed, but there is no ${[...stillMissing].join(", ")}`);
  console.log("all test services are installed");
}

/** @param binaries what is missing, for people */
function installPackages(packages: readonly string[], binaries: readonly string[]): void {
  if (!findBinary("apt-get"))
    throw new Refusal(`not installed, and this system has no apt-get: ${binaries.join(", ")}
Install them by its own means; tests that need them are left out until then.`);
  if (process.getuid?.() !== 0)
    throw new Refusal(`not installed, and only root may: ${binaries.join(", ")}. Run:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`);
  for (let attempt = 1; aptGet("update") !== 0; attempt++) {
    if (attempt === UPDATE_ATTEMPTS) throw new Refusal(`apt-get update failed ${UPDATE_ATTEMPTS} times`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, attempt * 3000);
  }
  if (aptGet("install", "-y", "--no-install-recommends", ...packages) !== 0)
    throw new Refusal(`apt-get couldn't install ${packages.join(" ")}`);
}

const aptGet = (...args: string[]): number | null =>
  spawnSync("apt-get", args, {
    stdio: "inherit",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  }).status;

async function start(): Promise<void> {
  if (!(await isKept())) {
    if (existsSync(KEPT) && !isOurs(KEPT)) throw new Refusal(`${KEPT} belongs to somebody else`);
    rmSync(KEPT, { recursive: true, force: true });
    mkdirSync(KEPT, { mode: 0o700 });
    (await startKeeper(KEPT, { stay: true })).unref();
  }
  for (const name of SERVICES) {
    const missing = missingParts(name);
    if (missing.length > 0) console.error(`${NEEDS[name].title} isn't installed: no ${missing.join(", ")}`);
    else console.error(`${NEEDS[name].title}: ${JSON.stringify(await askKeeper(socketIn(KEPT), name))}`);
  }
  console.log(`export ${SOCKET_VARIABLE}=${socketIn(KEPT)}`);
}

async function stop(): Promise<void> {
  if (!(await isKept())) throw new Refusal("no test services are kept");
  await askKeeper(socketIn(KEPT), "stop");
  while (existsSync(KEPT)) await delay(50);
}

const isOurs = (folder: string): boolean => {
  const { uid, mode } = lstatSync(folder);
  return uid === process.getuid?.() && (mode & 0o077) === 0;
};

async function isKept(): Promise<boolean> {
  if (!existsSync(KEPT) || !isOurs(KEPT)) return false;
  const answer = askKeeper(socketIn(KEPT), "ping");
  return answer.then(
    () => true,
    () => false,
  );
}

const commands: Record<string, () => void | Promise<void>> = { install, start, stop };
try {
  const command = commands[process.argv[2] ?? ""];
  if (!command) throw new Refusal(USAGE);
  await command();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
