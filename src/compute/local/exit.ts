import fs from "node:fs";
import type { ProcessExit } from "./worker-process.ts";

export interface ExitVerdict {
  readonly kind: "crashed" | "out-of-memory";
  readonly evidence: string;
}

const HEAP_FULL =
  /JavaScript heap out of memory|Array buffer allocation failed.*FATAL|FATAL ERROR:.*(?:allocation failed|out of memory)/i;

/**
 * What killed a worker, from what it left. Says "out of memory" only where that is known.
 *
 * @param kernelKilled the kernel's out-of-memory killer has struck in this control group meanwhile
 */
export function verdictOf(exit: ProcessExit, kernelKilled: boolean): ExitVerdict {
  if (exit.spawnError)
    return { kind: "crashed", evidence: `could not be started: ${exit.spawnError.message}` };
  if (exit.memoryEvidence) return { kind: "out-of-memory", evidence: exit.memoryEvidence };
  const how = exit.signal ? `signal ${exit.signal}` : `exit code ${exit.exitCode}`;
  if (exit.fatal) {
    const what =
      exit.fatal.origin === "unhandledRejection"
        ? "unhandled rejection"
        : exit.fatal.origin.replace("E", " e");
    return { kind: "crashed", evidence: `${what}: ${exit.fatal.text}` };
  }
  const tail = exit.stderrTail.join("\n").trim();
  const evidence = tail === "" ? how : `${how}; last lines on stderr:\n${tail}`;
  const aborted =
    exit.signal === "SIGABRT" ||
    exit.signal === "SIGTRAP" ||
    exit.signal === "SIGILL" ||
    exit.exitCode === 134;
  if (aborted && HEAP_FULL.test(tail))
    return { kind: "out-of-memory", evidence: `JavaScript heap full, ${evidence}` };
  if (kernelKilled && exit.signal === "SIGKILL") {
    return { kind: "out-of-memory", evidence: `${how} while the kernel's out-of-memory killer was at work` };
  }
  return { kind: "crashed", evidence };
}

/**
 * How often the kernel has killed for want of memory in this process's control group.
 * Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, memory.events. Undefined where that can't be read.
 */
export function kernelOomKills(): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const group = /^0::(.*)$/m.exec(fs.readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
    const events = fs.readFileSync(`/sys/fs/cgroup${group === "/" ? "" : group}/memory.events`, "utf8");
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
  } catch {
    return undefined;
  }
}
