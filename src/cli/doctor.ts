import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, hostname, tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../clock.ts";
import { resolvePoolOptions } from "../config.ts";
import { KingletError } from "../errors.ts";
import { DRIVERS } from "../job/keys.ts";
import { leaseIsAlive, readLease } from "../job/lease.ts";
import { formatCount, formatDuration, formatSize, harmless } from "../observe/text.ts";
import type { PoolOptions } from "../options.ts";
import { openPool } from "../pool.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isStoreUrl } from "../storage/locate.ts";
import { version } from "../version.ts";
import type { CloudCheck } from "./aws/check.ts";
import { EXIT } from "./exit-codes.ts";
import { print, printJson } from "./output.ts";
import { openStore, type StorageOption, storageFolder } from "./store.ts";

export interface DoctorOptions extends StorageOption {
  readonly json?: boolean;
}

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do, where it isn't ok. */
  readonly remedy?: string;
}

/** What, how, and which other check must have gone well before. */
type Check = readonly [what: string, check: () => Promise<string> | string, needs?: string];

const LOW_SPACE_BYTES = 1024 ** 3;
const TASK_TIMEOUT_MS = 30_000;

/** `kinglet doctor`: whether pools work here; each line says what was found and, if need be, what to do. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const checks: readonly Check[] = [
    ["versions", () => `kinglet ${version}, Node ${process.versions.node} (${process.execPath})`],
    [
      "machine",
      () =>
        `${formatCount(availableParallelism())} cores, ${process.platform} ${process.arch}, ${hostname()}`,
    ],
    ["options", () => describeOptions(options)],
    ["storage", () => checkStorage(storageFolder(options))],
    ["free space", () => checkSpace(storageFolder(options)), "storage"],
    ["drivers", () => describeDrivers(storageFolder(options)), "storage"],
    ...(usesAws(options) ? awsChecks(options) : [["compute", () => checkCompute()] as const]),
  ];
  const findings: Finding[] = [];
  for (const [what, check, needs] of checks) {
    if (needs !== undefined && !findings.some(({ what: other, ok }) => other === needs && ok)) continue;
    const finding = await find(what, check);
    findings.push(finding);
    if (options.json) continue;
    print(`${finding.ok ? "ok     " : "PROBLEM"}  ${what.padEnd(10)}  ${harmless(finding.found)}`);
    if (finding.remedy) print(`                     ${harmless(finding.remedy)}`);
  }
  if (options.json) printJson(findings);
  return findings.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
}

async function find(what: string, check: () => Promise<string> | string): Promise<Finding> {
  try {
    return { what, ok: true, found: await check() };
  } catch (error) {
    if (!(error instanceof KingletError)) return { what, ok: false, found: (error as Error).message };
    const { remedy, message } = error;
    const found = remedy ? message.replace(remedy, "").trim() : message;
    return { what, ok: false, found: `${error.code} ${found}`, ...(remedy ? { remedy } : {}) };
  }
}

/** A bad option is the finding of a check of its own. */
function usesAws(options: StorageOption): boolean {
  try {
    return resolvePoolOptions(poolOptions(options)).compute === "aws-lambda";
  } catch {
    return false;
  }
}

/** Their clients are loaded with the first of them. */
function awsChecks(options: StorageOption): readonly Check[] {
  const check = async (what: CloudCheck) => {
    const { runCheck } = await import("./aws/check.ts");
    return runCheck(what, options);
  };
  return [
    ["aws", () => check("identity"), "storage"],
    ["region", () => check("region"), "aws"],
    ["function", () => check("function"), "aws"],
    ["limits", () => check("concurrency"), "aws"],
  ];
}

const poolOptions = ({ storage }: StorageOption): PoolOptions => (storage === undefined ? {} : { storage });

function describeOptions(options: StorageOption): string {
  const resolved: PoolOptions = resolvePoolOptions(poolOptions(options));
  const variables = Object.keys(process.env).filter(
    (name) => name.startsWith("KINGLET_") && process.env[name],
  );
  const shown = Object.entries(resolved).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  const from = variables.length > 0 ? ` (set here: ${variables.join(", ")})` : "";
  return `${shown.length > 0 ? shown.join(", ") : "defaults"}${from}`;
}

/** Opening it makes the folder and writes to it, or asks the server; then what jobs rest on. */
async function checkStorage(folder: string): Promise<string> {
  const store = await openStore(folder);
  const prefix = `doctor/${randomBytes(6).toString("hex")}`;
  try {
    await checkPut(store, `${prefix}/object`);
    // Segments of emulated logs are put if absent, which is checked.
    if (store.capabilities.append === "native") await checkLog(store, `${prefix}/log`);
  } finally {
    await store.delete([`${prefix}/object`, `${prefix}/log`]);
    await store.close();
  }
  const append = store.capabilities.append === "native" ? " and append" : "";
  return `${folder}: writes, reads, put-if-absent${append} work`;
}

async function checkPut(store: ObjectStore, key: string): Promise<void> {
  const { created } = await store.put(key, Buffer.from("first"), { ifAbsent: true });
  const again = await store.put(key, Buffer.from("second"), { ifAbsent: true });
  const bytes = Buffer.from(await store.get(key)).toString();
  if (created && !again.created && bytes === "first") return;
  throw new KingletError("STORE_UNAVAILABLE", `put-if-absent doesn't hold in ${store.description}`, {
    remedy: "Choose a folder on a file system with hard links: KINGLET_STORAGE.",
  });
}

async function checkLog(store: ObjectStore, key: string): Promise<void> {
  const log = await store.openLog!(key);
  await log.append([Buffer.from("a"), Buffer.from("b")]);
  await log.append([Buffer.from("c")]);
  await log.sync();
  await log.close();
  const bytes = Buffer.from(await store.get(key)).toString();
  if (bytes === "abc") return;
  throw new KingletError("STORE_UNAVAILABLE", `what is appended isn't read back in ${store.description}`, {
    remedy: "Choose a folder on another file system: KINGLET_STORAGE.",
  });
}

function checkSpace(folder: string): string {
  if (isStoreUrl(folder)) return "as much as the server gives";
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const found = `${formatSize(freeBytes)} in ${folder}`;
  if (freeBytes >= LOW_SPACE_BYTES) return found;
  throw new KingletError("STORE_FULL", found, {
    remedy: "Make room (kinglet clean removes ended jobs), or choose another folder with KINGLET_STORAGE.",
  });
}

async function describeDrivers(folder: string): Promise<string> {
  const store = await openStore(folder);
  let living = 0;
  let dead = 0;
  for await (const { key } of store.list(DRIVERS)) {
    const lease = await readLease(store, key.slice(DRIVERS.length));
    if (lease && leaseIsAlive(lease, systemClock)) living += 1;
    else dead += 1;
  }
  await store.close();
  return `${living} at work, ${dead} that died without saying so${dead > 0 ? " (kinglet jobs, kinglet resume)" : ""}`;
}

/** A task of its own in a store of its own, so that it leaves nothing behind. */
async function checkCompute(): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "kinglet-doctor-"));
  const startedMs = performance.now();
  try {
    const pool = openPool({ storage: folder, concurrency: 1, timeoutMs: TASK_TIMEOUT_MS, retries: 0 });
    try {
      const answer = await pool.run(() => ({ pid: process.pid, node: process.version }), undefined);
      if (answer.pid === process.pid) throw new Error("the task ran in this process rather than in a worker");
      if (answer.node !== process.version)
        throw new Error(`workers run Node ${answer.node}, this is ${process.version}`);
    } finally {
      await pool.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return `a worker started, ran a task and ended in ${formatDuration(performance.now() - startedMs)}`;
}
