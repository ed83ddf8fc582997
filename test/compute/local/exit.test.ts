import { describe, expect, it } from "vitest";
import { verdictOf } from "../../../src/compute/local/exit.ts";
import type { ProcessExit } from "../../../src/compute/local/worker-process.ts";

const exit = (facts: Partial<ProcessExit>): ProcessExit => ({
  wasReady: true,
  exitCode: null,
  signal: null,
  spawnError: undefined,
  fatal: undefined,
  memoryEvidence: undefined,
  stderrTail: [],
  ...facts,
});
const HEAP_FULL = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";

describe("what killed a worker", () => {
  it.each<[string, Partial<ProcessExit>, boolean, string, RegExp]>([
    ["process.exit", { exitCode: 3 }, false, "crashed", /^exit code 3$/],
    ["a segfault", { signal: "SIGSEGV" }, false, "crashed", /^signal SIGSEGV$/],
    ["last words", { exitCode: 1, stderrTail: ["oh", "no"] }, false, "crashed", /exit code 1.*\noh\nno/],
    [
      "an unhandled rejection",
      { exitCode: 1, fatal: { origin: "unhandledRejection", text: "Error: boo" } },
      false,
      "crashed",
      /^unhandled rejection: Error: boo/,
    ],
    [
      "an uncaught exception",
      { exitCode: 1, fatal: { origin: "uncaughtException", text: "Error: boo" } },
      false,
      "crashed",
      /^uncaught exception: Error: boo/,
    ],
    [
      "a full heap",
      { signal: "SIGABRT", stderrTail: [HEAP_FULL] },
      false,
      "out-of-memory",
      /heap full.*SIGABRT/,
    ],
    ["a full heap under a shell", { exitCode: 134, stderrTail: [HEAP_FULL] }, false, "out-of-memory", /134/],
    [
      "abort() with words about memory in a log",
      { exitCode: 1, stderrTail: [HEAP_FULL] },
      false,
      "crashed",
      /exit code 1/,
    ],
    ["abort()", { signal: "SIGABRT", stderrTail: ["assertion failed"] }, false, "crashed", /SIGABRT/],
    [
      "memoryMb",
      { signal: "SIGKILL", memoryEvidence: "used 80 MiB" },
      false,
      "out-of-memory",
      /^used 80 MiB$/,
    ],
    ["somebody's kill -9", { signal: "SIGKILL" }, false, "crashed", /^signal SIGKILL$/],
    ["the kernel", { signal: "SIGKILL" }, true, "out-of-memory", /kernel/],
    [
      "no program",
      { spawnError: new Error("spawn nodde ENOENT") },
      false,
      "crashed",
      /could not be started.*ENOENT/,
    ],
  ])("is told from its exit: %s", (_what, facts, kernelKilled, kind, evidence) => {
    const verdict = verdictOf(exit(facts), kernelKilled);
    expect(verdict.kind).toBe(kind);
    expect(verdict.evidence).toMatch(evidence);
  });
});
