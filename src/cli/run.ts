import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants, hostname } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.ts";
import { resolvePoolOptions } from "../config.ts";
import { KingletError } from "../errors.ts";
import { BASE_NAME, driverLogName, journalPrefix } from "../job/keys.ts";
import { readLease } from "../job/lease.ts";
import { isStoreUrl } from "../storage/locate.ts";
import { EXIT } from "./exit-codes.ts";
import { journalIds, readJournalIfAny, summariesOf } from "./journals.ts";
import { say } from "./output.ts";
import { openStoreIfAny, type StorageOption } from "./store.ts";

export interface RunOptions extends StorageOption {
  readonly concurrency?: number;
  readonly compute?: string;
  readonly progress: boolean;
  /** Options of Node itself, such as `--import=tsx`. */
  readonly nodeArg: readonly string[];
}

/** `kinglet run <script>`: the script as a process of its own, with its progress on stderr. */
export async function run(script: string, args: readonly string[], options: RunOptions): Promise<number> {
  const file = path.resolve(script);
  if (!existsSync(file)) {
    throw new KingletError("NOT_FOUND", `there is no script ${file}`, {
      remedy: "Give its path: kinglet run path/to/script.ts",
      details: { path: file },
    });
  }
  // A bad option is told now, in this command's words, rather than by the script.
  const { storage } = resolvePoolOptions({
    ...(options.storage === undefined ? {} : { storage: options.storage }),
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    ...(options.compute === undefined ? {} : { compute: options.compute as "local" | "aws-lambda" }),
  });
  const env = environment(options, options.storage === undefined ? undefined : storage);
  const preload = options.progress ? [`--import=${preloadUrl()}`] : [];
  const startedMs = Date.now();
  const child = spawn(process.execPath, [...options.nodeArg, ...preload, file, ...args], {
    stdio: "inherit",
    env,
  });
  const stopForwarding = forwardSignals((signal) => child.kill(signal));
  const { code, signal } = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }));
    },
  ).finally(stopForwarding);
  if (code !== EXIT.ok && code !== EXIT.interrupted) await sayHowToResume(child.pid!, startedMs, options);
  if (signal !== null && signal !== "SIGINT") say(`kinglet: the script was ended by ${signal}`);
  return signal === null ? (code ?? EXIT.failed) : 128 + constants.signals[signal];
}

function environment(options: RunOptions, storage: string | undefined): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...(storage === undefined ? {} : { KINGLET_STORAGE: placeOf(storage) }),
    ...(options.concurrency === undefined ? {} : { KINGLET_CONCURRENCY: String(options.concurrency) }),
    ...(options.compute === undefined ? {} : { KINGLET_COMPUTE: options.compute }),
    ...(options.progress ? { KINGLET_PROGRESS: "shown" } : {}),
  };
}

/** A folder's whole path, for a script that changes its folder; a URL as it is. */
const placeOf = (storage: string): string =>
  isStoreUrl(storage) || storage === "memory:" ? storage : path.resolve(storage);

/** Beside this file in a build, in a folder of its own in a checkout. */
function preloadUrl(): string {
  const place = import.meta.url.endsWith(".ts") ? "../observe/preload.ts" : "./observe.js";
  const url = new URL(place, import.meta.url);
  if (existsSync(fileURLToPath(url))) return url.href;
  throw new KingletError("INTERNAL", `${fileURLToPath(url)} is missing`, {
    remedy: "Install kinglet again; in a checkout, run: npm run build",
  });
}

/**
 * The script decides how to end. A terminal sends Ctrl-C to it directly, and a second one would mean "at once".
 */
function forwardSignals(send: (signal: NodeJS.Signals) => void): () => void {
  const forward = (signal: NodeJS.Signals) => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) send(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

/** A script that was interrupted says so itself; one that was killed or that threw couldn't. */
async function sayHowToResume(pid: number, startedMs: number, options: StorageOption): Promise<void> {
  const folder = resolvePoolOptions(
    options.storage === undefined ? {} : { storage: options.storage },
  ).storage;
  if (folder === "memory:") return;
  const store = await openStoreIfAny(options);
  if (!store) return;
  for await (const id of journalIds(store)) {
    const prefix = journalPrefix(id);
    const log = (await store.head(prefix + driverLogName(0))) ?? (await store.head(prefix + BASE_NAME));
    if (!log || log.modifiedMs < startedMs - 1000) continue;
    const state = await readJournalIfAny(store, id);
    const lease = state?.header && (await readLease(store, state.header.driverId));
    if (!state || lease?.pid !== pid || lease.host !== hostname()) continue;
    for (const { id: jobId, condition } of await summariesOf(store, state, systemClock)) {
      if (condition === "interrupted")
        say(`Job ${jobId} isn't finished. Go on with it: kinglet resume ${jobId}`);
    }
  }
}
