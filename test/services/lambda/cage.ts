import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Holds one environment's processes: bounds their memory, and stops and continues all of them at once. */
export interface Cage {
  /** Files that the first process must write itself into. */
  readonly procs: readonly string[];
  /** Once the environment's first process is there. */
  watch(pid: number): void;
  /** No process of it runs any more. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Whether something in it was killed for want of memory. */
  ranOutOfMemory(): boolean;
  /** The most memory that was in use at a time. */
  peakBytes(): number;
  /** When all its processes are gone. */
  remove(): Promise<void>;
}

export type CageKind = "cgroup-v1" | "cgroup-v2" | "signals";

const ROOT = "/sys/fs/cgroup";
const V1 = { memory: path.join(ROOT, "memory"), freezer: path.join(ROOT, "freezer") };
const PREFIX = "kinglet-lambda-";

/** What this machine lets us use. `signals`, a watch on memory and SIGSTOP, works everywhere. */
export function bestCageKind(): CageKind {
  if (canMakeGroup(V1.memory) && canMakeGroup(V1.freezer)) return "cgroup-v1";
  if (hasMemoryController(ROOT) && canMakeGroup(ROOT)) return "cgroup-v2";
  return "signals";
}

export function openCage(kind: CageKind, name: string, memoryMb: number): Cage {
  const group = `${PREFIX}${process.pid}-${name}`;
  const memoryBytes = memoryMb * 1024 * 1024;
  if (kind === "cgroup-v1") return new CgroupV1(group, memoryBytes);
  return kind === "cgroup-v2" ? new CgroupV2(group, memoryBytes) : new Watched(memoryBytes);
}

/** Groups of doubles that were killed before they could remove them. */
export async function removeStaleGroups(): Promise<void> {
  const stale: string[] = [];
  for (const parent of [V1.memory, V1.freezer, ROOT]) {
    for (const name of existsSync(parent) ? readdirSync(parent) : []) {
      const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(name) ?? [];
      if (pid && !existsSync(`/proc/${pid}`)) stale.push(path.join(parent, name));
    }
  }
  await removeGroups(stale);
}

function canMakeGroup(parent: string): boolean {
  const probe = path.join(parent, `${PREFIX}${process.pid}-probe`);
  try {
    mkdirSync(probe);
    const isReal = existsSync(path.join(probe, "cgroup.procs"));
    rmdirSync(probe);
    return isReal;
  } catch {
    return false;
  }
}

function hasMemoryController(folder: string): boolean {
  const file = path.join(folder, "cgroup.subtree_control");
  return existsSync(file) && readFileSync(file, "utf8").split(/\s/).includes("memory");
}

function tryToRemove(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return !existsSync(group);
  }
}

/** A killed process leaves its group a moment later. */
async function removeGroups(groups: readonly string[]): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (groups.map(tryToRemove).every(Boolean)) return;
    await delay(10);
  }
}

const number = (file: string): number => Number(readFileSync(file, "utf8"));
const field = (file: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, "m").exec(readFileSync(file, "utf8"))?.[1] ?? 0);

class CgroupV1 implements Cage {
  readonly #memory: string;
  readonly #freezer: string;
  readonly procs: readonly string[];

  constructor(name: string, memoryBytes: number) {
    this.#memory = path.join(V1.memory, name);
    this.#freezer = path.join(V1.freezer, name);
    mkdirSync(this.#memory);
    mkdirSync(this.#freezer);
    writeFileSync(path.join(this.#memory, "memory.limit_in_bytes"), String(memoryBytes));
    this.procs = [this.#memory, this.#freezer].map((group) => path.join(group, "cgroup.procs"));
  }

  watch(): void {}

  async freeze(): Promise<void> {
    const state = path.join(this.#freezer, "freezer.state");
    writeFileSync(state, "FROZEN");
    while (existsSync(state) && readFileSync(state, "utf8").trim() === "FREEZING") await delay(1);
  }

  thaw(): void {
    const state = path.join(this.#freezer, "freezer.state");
    if (existsSync(state)) writeFileSync(state, "THAWED");
  }

  ranOutOfMemory(): boolean {
    return field(path.join(this.#memory, "memory.oom_control"), "oom_kill") > 0;
  }

  peakBytes(): number {
    return number(path.join(this.#memory, "memory.max_usage_in_bytes"));
  }

  remove(): Promise<void> {
    return removeGroups([this.#memory, this.#freezer]);
  }
}

class CgroupV2 implements Cage {
  readonly #group: string;
  readonly procs: readonly string[];

  constructor(name: string, memoryBytes: number) {
    this.#group = path.join(ROOT, name);
    mkdirSync(this.#group);
    writeFileSync(path.join(this.#group, "memory.max"), String(memoryBytes));
    writeFileSync(path.join(this.#group, "memory.swap.max"), "0");
    this.procs = [path.join(this.#group, "cgroup.procs")];
  }

  watch(): void {}

  async freeze(): Promise<void> {
    const events = path.join(this.#group, "cgroup.events");
    writeFileSync(path.join(this.#group, "cgroup.freeze"), "1");
    while (existsSync(events) && field(events, "populated") === 1 && field(events, "frozen") === 0)
      await delay(1);
  }

  thaw(): void {
    if (existsSync(this.#group)) writeFileSync(path.join(this.#group, "cgroup.freeze"), "0");
  }

  ranOutOfMemory(): boolean {
    return field(path.join(this.#group, "memory.events"), "oom_kill") > 0;
  }

  peakBytes(): number {
    return number(path.join(this.#group, "memory.peak"));
  }

  remove(): Promise<void> {
    return removeGroups([this.#group]);
  }
}

const PAGE_BYTES = 4096;
const WATCH_EVERY_MS = 20;

/** Without cgroups: looks at what its processes hold, many times a second, and stops them one by one. */
class Watched implements Cage {
  readonly procs: readonly string[] = [];
  readonly #memoryBytes: number;
  #pid = 0;
  #timer: NodeJS.Timeout | undefined;
  #peakBytes = 0;
  #ranOut = false;

  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  watch(pid: number): void {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), WATCH_EVERY_MS).unref();
  }

  async freeze(): Promise<void> {
    this.#signal("SIGSTOP");
    while (this.#inside().some((pid) => !isStopped(pid))) await delay(1);
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  ranOutOfMemory(): boolean {
    return this.#ranOut;
  }

  peakBytes(): number {
    return this.#peakBytes;
  }

  async remove(): Promise<void> {
    clearInterval(this.#timer);
  }

  #look(): void {
    const inside = this.#inside();
    const bytes = inside.reduce((sum, pid) => sum + residentBytes(pid), 0);
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
    if (bytes <= this.#memoryBytes) return;
    this.#ranOut = true;
    const biggest = inside.reduce((a, b) => (residentBytes(b) > residentBytes(a) ? b : a));
    sendSignal(biggest, "SIGKILL");
  }

  /** Below the first process of the namespace, a shell that waits for the others. */
  #inside(): number[] {
    return childrenOf(this.#pid).flatMap(childrenOf).flatMap(withDescendants);
  }

  #signal(signal: NodeJS.Signals): void {
    for (const pid of this.#inside()) sendSignal(pid, signal);
  }
}

const withDescendants = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(withDescendants)];

const procFile = (pid: number, name: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
};
const childrenOf = (pid: number): number[] => {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.flatMap((thread) =>
      procFile(pid, `task/${thread}/children`).split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
};
const isStopped = (pid: number): boolean => !/\) [^TtZX] /.test(procFile(pid, "stat"));
const residentBytes = (pid: number): number => Number(procFile(pid, "statm").split(" ")[1] ?? 0) * PAGE_BYTES;

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}
