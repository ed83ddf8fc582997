import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLocalBackend, type LocalBackendOptions } from "../../../src/compute/local/backend.ts";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { isAlive } from "../../conformance/compute.ts";
import { ComputeProbe } from "../../conformance/compute-probe.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

let root: string;
const children: ChildProcess[] = [];
const probes: ComputeProbe[] = [];

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "kinglet-processes-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const probe of probes.splice(0)) {
    await probe.close();
    expect(probe.breaches).toEqual([]);
  }
  rmSync(root, { recursive: true, force: true });
});

function open(options: Partial<LocalBackendOptions> = {}): ComputeProbe {
  const backend = createLocalBackend({ store: { kind: "disk", root }, slots: 2, ...options });
  const probe = new ComputeProbe(backend, openDiskStore(root));
  probes.push(probe);
  return probe;
}

/** Starts a driver of its own; resolves with it and its workers' pids. */
async function startDriver(
  mode: string,
  nodeOptions: readonly string[] = [],
): Promise<{ driver: ChildProcess; workers: number[]; exited: Promise<unknown> }> {
  const fixture = path.join(import.meta.dirname, "driver.fixture.ts");
  const driver = spawn(process.execPath, [...nodeOptions, fixture, root, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(driver);
  const exited = new Promise((resolve) => driver.once("exit", (code, signal) => resolve(signal ?? code)));
  let text = "";
  for await (const chunk of driver.stdout) {
    text += chunk;
    if (text.endsWith("]\n")) break;
  }
  return { driver, workers: JSON.parse(text) as number[], exited };
}

/** The test's own time limit bounds the wait. */
async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("workers of a driver that dies", () => {
  it.each([
    ["in an endless synchronous loop", "loop"],
    ["while they are idle", "idle"],
  ])("by kill -9 %s are gone with it", async (_what, mode) => {
    const { driver, workers } = await startDriver(mode);
    expect(workers.every(isAlive)).toBe(true);
    driver.kill("SIGKILL");
    await untilGone(workers);
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "by %s in a synchronous loop are gone, too",
    async (signal) => {
      const { driver, workers } = await startDriver("loop");
      driver.kill(signal);
      await untilGone(workers);
    },
  );

  it.each([
    ["that strips types", []],
    ["under tsx", ["--import", "tsx"]],
  ])(
    "are not what keeps it alive: one %s, with nothing under way, ends by itself",
    async (_how, nodeOptions) => {
      const { workers, exited } = await startDriver("ended", nodeOptions);
      expect(await exited).toBe(0);
      await untilGone(workers);
    },
  );
});

describe("workers and the terminal's Ctrl-C", () => {
  it("are in process groups of their own, so that only the driver gets it", async () => {
    const probe = open();
    await probe.scaleTo(1);
    const attempt = await probe.start(() => {
      const { execFileSync } = process.getBuiltinModule("node:child_process");
      return (
        Number(execFileSync("ps", ["-o", "pgid=", "-p", String(process.pid)], { encoding: "utf8" })) ===
        process.pid
      );
    }, [0]);
    expect(await attempt.values()).toEqual([true]);
  });
});

/** Blocks the driver, which reads nothing meanwhile, until the process has ended. */
function blockUntilDead(pid: number): void {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) {
    if (Date.now() > deadlineMs) throw new Error(`process ${pid} didn't end`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}

describe("a worker that has died", () => {
  it.runIf(process.platform === "linux")(
    "leaves its last words to a driver that writes to it before it reads them",
    async () => {
      const probe = open();
      await probe.scaleTo(1);
      const rejectAside = await probe.prepare((file: string) => {
        const fs = process.getBuiltinModule("node:fs");
        fs.writeFileSync(`${file}-new`, String(process.pid));
        fs.renameSync(`${file}-new`, file);
        void Promise.reject(new Error("aside"));
      });
      const addOne = await probe.prepare((x: number) => x + 1);
      const file = path.join(root, "pid");
      const attempt = probe.startKey(rejectAside, [file], { first: 7 });
      while (!existsSync(file)) await new Promise((resolve) => setImmediate(resolve));
      blockUntilDead(Number(readFileSync(file, "utf8")));
      const queued = probe.startKey(addOne, [1]);
      expect(await attempt.ended).toMatchObject({
        kind: "crashed",
        startedTask: 7,
        evidence: expect.stringMatching(/^unhandled rejection: Error: aside/),
      });
      expect(await queued.values()).toEqual([2]);
    },
  );
});

describe("what a task has spawned", () => {
  it("ends with its worker", async () => {
    const probe = open();
    await probe.scaleTo(1);
    const attempt = await probe.start(() => {
      const { spawn: start } = process.getBuiltinModule("node:child_process");
      const child = start("sleep", ["1000"], { stdio: "inherit" });
      child.unref();
      return child.pid;
    }, [0]);
    const [pid] = (await attempt.values()) as [number];
    expect(isAlive(pid)).toBe(true);
    await probe.backend.close();
    await untilGone([pid]);
  });
});

describe("workers that can't start", () => {
  it.each<[string, Partial<LocalBackendOptions>, RegExp]>([
    [
      "there is no such program",
      { execPath: "/no/such/node" },
      /5 times in a row.*could not be started.*ENOENT/,
    ],
    [
      "node refuses its options",
      { execArgv: ["--no-such-option"] },
      /5 times in a row.*exit code 9.*no-such-option/,
    ],
    [
      "a preload throws",
      { execArgv: ["--import", "data:text/javascript,throw new Error('preload')"] },
      /preload/,
    ],
  ])("end their attempts with evidence, and aren't tried for ever: %s", async (_what, options, evidence) => {
    const probe = open(options);
    await probe.scaleTo(1);
    const attempts = [
      await probe.start((x: number) => x, [1], { first: 3 }),
      await probe.start((x: number) => x, [2]),
    ];
    for (const [i, { ended }] of attempts.entries()) {
      const end = await ended;
      expect(end).toMatchObject({ kind: "crashed", startedTask: i === 0 ? 3 : 0 });
      expect((end as { evidence: string }).evidence.replaceAll("\n", " ")).toMatch(evidence);
    }
    const later = await probe.start((x: number) => x, [1]);
    expect(await later.ended).toMatchObject({ kind: "crashed" });
  });

  it("because the store is gone say so", async () => {
    const probe = open({ store: { kind: "disk", root: "/proc/no/such/folder" } });
    await probe.scaleTo(1);
    const end = await (await probe.start((x: number) => x, [1])).ended;
    expect(end).toMatchObject({ kind: "crashed", evidence: expect.stringContaining("/proc/no/such/folder") });
  });
});

describe("the options of the driver's node", () => {
  it("are the workers' own: a heap limit ends a task as out of memory", async () => {
    const probe = open({ execArgv: ["--max-old-space-size=60", "--inspect=0"] });
    await probe.scaleTo(1);
    const fill = () => {
      const kept: unknown[] = [];
      for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
    };
    const end = await (await probe.start(fill, [0], { first: 4 })).ended;
    expect(end).toMatchObject({
      kind: "out-of-memory",
      startedTask: 4,
      evidence: expect.stringMatching(/^JavaScript heap full/),
    });
  });

  it("loaders among them, run before the worker", async () => {
    const loader = "data:text/javascript,globalThis.preloaded = 'yes'";
    const probe = open({ execArgv: ["--import", loader] });
    await probe.scaleTo(1);
    const attempt = await probe.start(() => (globalThis as { preloaded?: string }).preloaded, [0]);
    expect(await attempt.values()).toEqual(["yes"]);
  });
});
