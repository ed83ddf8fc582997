import { execFile } from "node:child_process";
import fs from "node:fs";
import { WATCH_EVERY_MS } from "./waits.ts";

const MIB = 1024 * 1024;

export interface WatchedProcess {
  readonly pid: number | undefined;
  readonly memoryMb: number | undefined;
  exceeded(evidence: string): void;
}

/**
 * Holds workers to their `memoryMb`. `--max-old-space-size` bounds the JavaScript heap alone; buffers and native
 * memory are only seen from outside.
 */
export class MemoryWatch {
  readonly #watched = new Set<WatchedProcess>();
  /** Of all together. */
  readonly #togetherMb: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(togetherMb?: number) {
    this.#togetherMb = togetherMb;
  }

  add(watched: WatchedProcess): void {
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#look(), WATCH_EVERY_MS).unref();
  }

  remove(watched: WatchedProcess): void {
    this.#watched.delete(watched);
    if (this.#watched.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    let togetherBytes = 0;
    for (const watched of this.#watched) {
      if (watched.pid === undefined) continue;
      if (process.platform === "linux") {
        const sizeBytes = privateBytes(watched.pid);
        togetherBytes += sizeBytes ?? 0;
        this.#judge(watched, sizeBytes);
      } else askPs(watched.pid, (sizeBytes) => this.#judge(watched, sizeBytes));
    }
    if (this.#watched.size > 1) this.#judgeAll(togetherBytes);
  }

  /** Who came last has what others left: to it the memory is too little. */
  #judgeAll(togetherBytes: number): void {
    const togetherMb = this.#togetherMb;
    if (togetherMb === undefined || togetherBytes <= togetherMb * MIB) return;
    const last = [...this.#watched].pop();
    if (!last || !this.#watched.delete(last)) return;
    const usedMb = Math.ceil(togetherBytes / MIB);
    last.exceeded(
      `it and the task that it ran beside used ${usedMb} MiB of memory, the limit is ${togetherMb}`,
    );
  }

  #judge(watched: WatchedProcess, sizeBytes: number | undefined): void {
    const { memoryMb } = watched;
    if (sizeBytes === undefined || memoryMb === undefined || sizeBytes <= memoryMb * MIB) return;
    if (!this.#watched.delete(watched)) return;
    watched.exceeded(`used ${Math.ceil(sizeBytes / MIB)} MiB of memory, the limit is memoryMb = ${memoryMb}`);
  }
}

let pageBytes: number | undefined;

/** Resident memory less what it shares with files (Node's own code). Source: proc(5), /proc/pid/statm, in pages. */
function privateBytes(pid: number): number | undefined {
  try {
    const [, resident, shared] = fs.readFileSync(`/proc/${pid}/statm`, "utf8").split(" ").map(Number);
    pageBytes ??= ownPageBytes();
    return (resident! - shared!) * pageBytes;
  } catch {
    return undefined; // it has just ended
  }
}

/** Node can't ask for the page size: it follows from this process's own size, in KiB and in pages. */
function ownPageBytes(): number {
  const kibibytes = Number(/^VmSize:\s+(\d+) kB$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]);
  const pages = Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[0]);
  const guess = (kibibytes * 1024) / pages;
  return Number.isFinite(guess) ? 2 ** Math.round(Math.log2(guess)) : 4096;
}

function askPs(pid: number, answer: (sizeBytes: number | undefined) => void): void {
  execFile("ps", ["-o", "rss=", "-p", String(pid)], (error, stdout) => {
    const kibibytes = Number(stdout);
    answer(error || !(kibibytes > 0) ? undefined : kibibytes * 1024);
  });
}
