import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import type { AttemptEnd, ComputeBackend } from "../../src/compute/contract.ts";
import { ENTRY_OBJECT, ENTRY_THREW, ENTRY_UNSERIALIZABLE, ENTRY_VALUE } from "../../src/job/entries.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import type { TaskContext } from "../../src/worker/context.ts";
import { amount } from "../support/part.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { ComputeProbe, type TaskFunction } from "./compute-probe.ts";

/** A backend to be tested, with at least two slots, and the store that its workers use. */
export interface ComputeUnderTest {
  readonly backend: ComputeBackend;
  readonly store: ObjectStore;
  dispose(): Promise<void>;
}

/** What a backend may have or not: which tests there are. */
export interface ComputeFeatures {
  /** A slot holds attempts behind the one that runs. */
  readonly queues?: boolean;
  /** Short outcomes come with their report alone. */
  readonly inlineOutcomes?: boolean;
  /** A slot is one place, whose worker keeps its process till the end; elsewhere any worker may get the next attempt. */
  readonly keepsWorkers?: boolean;
  /** `memoryMb` is the limit of the worker's process itself. */
  readonly exactMemory?: boolean;
  /** Killing a worker's process by its number is something that a test can do, and charges only that process. */
  readonly killable?: boolean;
}

const LOCAL: ComputeFeatures = {
  queues: true,
  inlineOutcomes: true,
  keepsWorkers: true,
  exactMemory: true,
  killable: true,
};

/** The shared suite that every compute backend must pass. Its workers run on this machine, or as if they did. */
export function describeCompute(
  name: string,
  open: () => Promise<ComputeUnderTest>,
  features: ComputeFeatures = LOCAL,
): void {
  const { queues, inlineOutcomes, keepsWorkers, exactMemory, killable } = features;
  let under: ComputeUnderTest;
  let probe: ComputeProbe;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "kinglet-compute-"));
    under = await open();
    probe = new ComputeProbe(under.backend, under.store);
    await probe.scaleTo(2);
  });

  afterEach(async () => {
    await probe.close();
    await under.dispose();
    rmSync(folder, { recursive: true });
    expect(probe.breaches).toEqual([]);
  });

  /** A file that tasks wait for, and its making. */
  const gate = (gateName = "gate") => {
    const file = path.join(folder, gateName);
    return { file, open: () => writeFileSync(file, "") };
  };

  describe(`${name}: slots`, () => {
    it("are offered as many as were asked for, each with a queue", () => {
      expect(probe.offers.size).toBe(2);
      for (const queue of probe.offers.values()) expect(queue >= (queues ? 1 : 0)).toBe(true);
    });

    it("go when fewer are wanted, a busy one after its attempts have ended", async () => {
      const { file, open: release } = gate();
      const [idle, other] = [probe.slot(0), probe.slot(1)];
      const busy = await probe.start(waitForFile, [file], { slot: other });
      probe.backend.scale(0);
      await probe.until(() => !probe.offers.has(idle));
      expect(probe.offers.has(other)).toBe(true);
      release();
      expect(await busy.values()).toEqual(["found"]);
      await probe.until(() => probe.offers.size === 0);
      await probe.scaleTo(2);
      expect(await (await probe.start((x: number) => x + 1, [1])).values()).toEqual([2]);
    });

    it("work side by side", async () => {
      const { file, open: release } = gate();
      const waiting = await probe.start(waitForFile, [file], { slot: probe.slot(0) });
      const other = await probe.start((x: number) => x * 2, [21], { slot: probe.slot(1) });
      expect(await other.values()).toEqual([42]);
      release();
      expect(await waiting.values()).toEqual(["found"]);
    });

    it("end an attempt that names a slot which isn't there", async () => {
      const stray = await probe.start((x: number) => x, [1], { slot: "nowhere" });
      expect(await stray.ended).toMatchObject({ kind: "lost", startedTask: undefined });
    });
  });

  describe(`${name}: outcomes`, () => {
    it("are reported in order, from the first task on", async () => {
      const attempt = await probe.start((x: string, ctx: TaskContext) => x + ctx.index, ["a", "b", "c"], {
        first: 7,
      });
      expect(await attempt.values()).toEqual(["a7", "b8", "c9"]);
    });

    it("of an empty batch are none", async () => {
      expect(await (await probe.start((x: number) => x, [])).values()).toEqual([]);
    });

    it("are those of thousands of batches in a row, two at a time", async () => {
      const key = await probe.prepare((x: number) => x + 1);
      const start = (i: number) => probe.startKey(key, [i, -i], { slot: probe.slot(i % 2), first: 2 * i });
      const numbers = Array.from({ length: 400 }, (_, i) => i);
      const chain = async (parity: number) => {
        const found: unknown[][] = [];
        for (const i of numbers.filter((n) => n % 2 === parity)) found.push(await start(i).values());
        return found;
      };
      const expected = (i: number) => [i + 1, 1 - i];
      if (queues) {
        const values = await Promise.all(numbers.map(start).map((attempt) => attempt.values()));
        expect(values).toEqual(numbers.map(expected));
      } else {
        const [even, odd] = await Promise.all([chain(0), chain(1)]);
        expect(numbers.map((i) => (i % 2 === 0 ? even! : odd!)[i >> 1])).toEqual(numbers.map(expected));
      }
    });

    it.runIf(inlineOutcomes)(
      "come with their report alone where they are short enough, thrown errors among them",
      async () => {
        const options = { inlineOutcomeBytes: 10_000 };
        const fn = (x: number) => {
          if (x < 0) throw new RangeError("negative");
          return "x".repeat(x);
        };
        const short = await probe.start(fn, [3, -1], options);
        expect(await short.values()).toMatchObject(["xxx", { message: "negative" }]);
        expect(short.reports.length).toBeGreaterThan(0);
        expect(short.reports.every(({ location }) => location === undefined)).toBe(true);
        const long = await probe.start(fn, [20_000], options);
        expect(await long.values()).toEqual(["x".repeat(20_000)]);
        expect(long.reports[0]!.location).toBeDefined();
      },
    );

    it("are thrown errors with their class and code, thrown values as they are", async () => {
      const attempt = await probe.start(
        (x: number) => {
          if (x === 0) throw Object.assign(new RangeError("zero"), { code: "E_ZERO" });
          if (x === 1) throw "one";
          return x;
        },
        [0, 1, 2],
      );
      expect(await attempt.ended).toEqual({ kind: "ok" });
      const outcomes = [...(await attempt.outcomes()).values()];
      expect(outcomes.map(({ kind }) => kind)).toEqual([ENTRY_THREW, ENTRY_THREW, ENTRY_VALUE]);
      expect(outcomes[0]!.value).toBeInstanceOf(RangeError);
      expect(outcomes[0]!.value).toMatchObject({ message: "zero", code: "E_ZERO" });
      expect(outcomes[1]!.value).toBe("one");
    });

    it("say where a result holds what can't be sent", async () => {
      const attempt = await probe.start(() => ({ rows: [1, { socket: new WeakMap() }] }), [0]);
      expect(await attempt.ended).toEqual({ kind: "ok" });
      const outcome = (await attempt.outcomes()).get(0)!;
      expect(outcome.kind).toBe(ENTRY_UNSERIALIZABLE);
      expect((outcome.value as Error).message).toContain("result.rows[1].socket");
    });

    it("are big: objects of their own, both ways", async () => {
      const big = new Float64Array(1_000_000).map((_, i) => i);
      const attempt = await probe.start((x: Float64Array) => x.map((value) => value * 2), [big]);
      const [doubled] = await attempt.values();
      expect((await attempt.outcomes()).get(0)!.kind).toBe(ENTRY_OBJECT);
      expect(doubled).toEqual(big.map((value) => value * 2));
    });

    it("of an empty event loop are errors, not a hang: the promise can never settle", async () => {
      const attempt = await probe.start((x: number) => (x === 1 ? new Promise(() => {}) : x), [0, 1, 2]);
      expect(await within(attempt.ended)).toEqual({ kind: "ok" });
      const outcomes = await attempt.outcomes();
      expect([...outcomes.values()].map(({ kind }) => kind)).toEqual([ENTRY_VALUE, ENTRY_THREW, ENTRY_VALUE]);
      expect(outcomes.get(1)!.value).toMatchObject({ code: "NEVER_SETTLES" });
    });
  });

  describe(`${name}: functions`, () => {
    it("that are damaged in the store can't be loaded, and say so", async () => {
      const key = await probe.prepare((x: number) => x + 100);
      await damage(under.store, key);
      const attempt = probe.startKey(key, [1]);
      const end = await within(attempt.ended);
      if (end.kind !== "unloadable") throw new Error(`ended ${JSON.stringify(end)}`);
      expect(await probe.codec.decode(end.error)).toMatchObject({ code: "STORE_CORRUPT" });
    });

    it("that are gone from the store can't be loaded; the slot goes on", async () => {
      const attempt = probe.startKey(`functions/${"0".repeat(64)}`, [1]);
      const end = await within(attempt.ended);
      if (end.kind !== "unloadable") throw new Error(`ended ${JSON.stringify(end)}`);
      expect(await probe.codec.decode(end.error)).toMatchObject({ code: "NOT_FOUND" });
      expect(await (await probe.start((x: number) => x + 1, [1])).values()).toEqual([2]);
    });
  });

  describe(`${name}: a task that goes wrong`, () => {
    interface Failure {
      readonly what: string;
      /** Does it for item "bad". */
      readonly fn: TaskFunction;
      readonly kind: AttemptEnd["kind"];
      readonly evidence: RegExp;
      readonly timeoutMs?: number;
      readonly memoryMb?: number;
    }
    const failures: Failure[] = [
      { what: "process.exit(3)", fn: exitWith, kind: "crashed", evidence: /exit code 3/ },
      { what: "process.exit(0)", fn: exitWithZero, kind: "crashed", evidence: /exit code 0/ },
      { what: "a segfault", fn: segfault, kind: "crashed", evidence: /SIGSEGV/ },
      { what: "abort()", fn: abortProcess, kind: "crashed", evidence: /SIGABRT/ },
      { what: "kill -9 of itself", fn: killItself, kind: "crashed", evidence: /SIGKILL/ },
      {
        what: "a full heap",
        fn: fillHeap,
        kind: "out-of-memory",
        evidence: /heap|memoryMb = \d+/,
        memoryMb: 150,
      },
      {
        what: "buffers past memoryMb",
        fn: fillBuffers,
        kind: "out-of-memory",
        evidence: /memoryMb = \d+/,
        memoryMb: 120,
      },
      {
        what: "an endless loop",
        fn: loopForEver,
        kind: "timed-out",
        evidence: /no outcome within 1000 ms/,
        timeoutMs: 1000,
      },
      {
        what: "an endless wait",
        fn: waitForEver,
        kind: "timed-out",
        evidence: /no outcome within 1000 ms/,
        timeoutMs: 1000,
      },
      {
        what: "an unhandled rejection",
        fn: rejectAside,
        kind: "crashed",
        evidence: /unhandled rejection.*aside/i,
      },
      {
        what: "an unhandled rejection while it waits",
        fn: rejectAsideAsync,
        kind: "crashed",
        evidence: /aside/,
      },
      {
        what: "an exception in a timer",
        fn: throwInTimer,
        kind: "crashed",
        evidence: /uncaught exception.*in a timer/,
      },
      {
        what: "an exception in nextTick",
        fn: throwInTick,
        kind: "crashed",
        evidence: /uncaught exception.*in a tick/,
      },
    ];

    it.each(failures)("$what: the attempt ends typed, and charges that task", async (failure) => {
      const { fn, kind, evidence, timeoutMs, memoryMb } = failure;
      const options = { ...(timeoutMs ? { timeoutMs } : {}), ...(memoryMb ? { memoryMb } : {}) };
      const attempt = await probe.start(fn, ["good", "good", "bad", "good"], { first: 10, ...options });
      const queued = await probe.start((x: number) => x + 1, [1], { slot: probe.slot(0) });
      const end = await within(attempt.ended);
      expect(end).toMatchObject({ kind, startedTask: 12 });
      expect((end as { evidence: string }).evidence.replaceAll("\n", " ")).toMatch(evidence);
      for (const { kind: outcome, value } of (await attempt.outcomes()).values()) {
        expect([outcome, value]).toEqual([ENTRY_VALUE, "good"]);
      }
      // What waited behind it had not started: it just runs.
      expect(await queued.values()).toEqual([2]);
      expect(await (await probe.start((x: number) => x + 2, [1])).values()).toEqual([3]);
    });

    it("gives the last lines on stderr as evidence", async () => {
      const attempt = await probe.start(
        (code: number) => {
          process.getBuiltinModule("node:fs").writeSync(2, "the disk is on fire\n");
          process.exit(code);
        },
        [9],
      );
      expect(await within(attempt.ended)).toMatchObject({
        kind: "crashed",
        evidence: expect.stringMatching(/exit code 9[\s\S]*the disk is on fire/),
      });
    });

    it("is told through its signal before it is stopped, and is timed out all the same", async () => {
      const attempt = await probe.start(
        async (_: number, ctx: TaskContext) => {
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
          console.log(`told: ${(ctx.signal.reason as { code: string }).code}`);
          return "too late";
        },
        [0],
        { timeoutMs: 200 },
      );
      expect(await within(attempt.ended)).toMatchObject({ kind: "timed-out", startedTask: 0 });
      await probe.untilLine("told: TIMED_OUT");
      expect((await attempt.outcomes()).size).toBe(0);
    });

    it("has its time for itself: a batch may take longer than timeoutMs", async () => {
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, "slept"));
      const attempt = await probe.start(pause, Array(16).fill(100), { timeoutMs: 1500 });
      expect(await attempt.values()).toEqual(Array(16).fill("slept"));
    });
  });

  describe(`${name}: cancelling`, () => {
    it.runIf(queues)("revokes what waits behind a synchronous loop, at once", async () => {
      const { file, open: release } = gate();
      const running = await probe.start(loopUntilFile, [file]);
      await probe.untilLine("looping");
      const queued = await probe.start((x: number) => console.log(`ran ${x}`), [1]);
      probe.backend.cancel(queued.attempt, "revoke");
      expect(await within(queued.ended)).toMatchObject({ kind: "revoked", startedTask: undefined });
      const after = await probe.start((x: number) => x + 1, [1]);
      release();
      expect(await running.values()).toEqual(["found"]);
      expect(await after.values()).toEqual([2]);
      expect(probe.lines.map((line) => line.text)).not.toContain("ran 1");
    });

    it("doesn't revoke what has started", async () => {
      const { file, open: release } = gate();
      const running = await probe.start(loopUntilFile, [file]);
      await probe.untilLine("looping");
      probe.backend.cancel(running.attempt, "revoke");
      release();
      expect(await running.values()).toEqual(["found"]);
    });

    it("doesn't mind attempts that have ended, or never were", async () => {
      const done = await probe.start((x: number) => x, [1]);
      await done.values();
      for (const how of ["revoke", "abort"] as const) {
        probe.backend.cancel(done.attempt, how);
        probe.backend.cancel(4_000_000, how);
      }
      expect(await (await probe.start((x: number) => x, [1])).values()).toEqual([1]);
    });

    it("aborts a task that listens to its signal", async () => {
      const attempt = await probe.start(
        (x: number, ctx: TaskContext) => {
          if (x === 0) return x;
          console.log("waiting");
          return new Promise((_, reject) =>
            ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)),
          );
        },
        [0, 1, 2],
      );
      await probe.untilLine("waiting");
      probe.backend.cancel(attempt.attempt, "abort", 60_000);
      expect(await within(attempt.ended)).toMatchObject({ kind: "cancelled", startedTask: 1 });
      expect([...(await attempt.outcomes()).keys()]).toEqual([0]);
    });

    it("aborts sooner than it was first told to, where it is told again", async () => {
      const attempt = await probe.start(loopUntilFile, [gate().file]);
      await probe.untilLine("looping");
      probe.backend.cancel(attempt.attempt, "abort", 600_000);
      probe.backend.cancel(attempt.attempt, "abort", 0);
      expect(await within(attempt.ended)).toMatchObject({ kind: "cancelled", startedTask: 0 });
    });

    it("aborts a synchronous loop by force", async () => {
      const attempt = await probe.start(loopUntilFile, [gate().file]);
      await probe.untilLine("looping");
      probe.backend.cancel(attempt.attempt, "abort", 50);
      expect(await within(attempt.ended)).toMatchObject({ kind: "cancelled", startedTask: 0 });
      expect(await (await probe.start((x: number) => x + 1, [1])).values()).toEqual([2]);
    });

    it("aborts a batch of short synchronous tasks between two of them", async () => {
      const spin = (x: number) => {
        if (x === 0) console.log("spinning");
        const until = performance.now() + 2;
        while (performance.now() < until);
      };
      const attempt = await probe.start(
        spin,
        Array.from({ length: 10_000 }, (_, i) => i),
      );
      await probe.untilLine("spinning");
      probe.backend.cancel(attempt.attempt, "abort", 60_000);
      expect(await within(attempt.ended)).toMatchObject({ kind: "cancelled" });
    });

    it.runIf(queues)("aborts what waits: it never starts", async () => {
      const { file, open: release } = gate();
      const running = await probe.start(loopUntilFile, [file]);
      await probe.untilLine("looping");
      const queued = await probe.start((x: number) => console.log(`ran ${x}`), [1]);
      probe.backend.cancel(queued.attempt, "abort");
      expect(await within(queued.ended)).toMatchObject({ kind: "cancelled", startedTask: undefined });
      release();
      await running.values();
      expect(await (await probe.start((x: number) => x, [1])).values()).toEqual([1]);
      expect(probe.lines.map((line) => line.text)).not.toContain("ran 1");
    });
  });

  describe(`${name}: options of an invocation`, () => {
    it.runIf(keepsWorkers)("isolate: a process for it alone", async () => {
      const pidOf = async (isolate: boolean) => {
        const attempt = await probe.start(() => process.pid, [0], { isolate });
        return (await attempt.values())[0];
      };
      const warm = await pidOf(false);
      expect(await pidOf(false)).toBe(warm);
      const isolated = [await pidOf(true), await pidOf(true), await pidOf(true)];
      const after = await pidOf(false);
      expect(new Set([warm, ...isolated, after]).size).toBe(5);
    });

    it("isolate: nothing is left of what was there before", async () => {
      const leaveMark = () => {
        const before = (globalThis as { mark?: number }).mark ?? 0;
        (globalThis as { mark?: number }).mark = before + 1;
        return before;
      };
      const key = await probe.prepare(leaveMark);
      const attempts = [1, 2, 3].map(() => probe.startKey(key, [0], { isolate: true }));
      expect(await Promise.all(attempts.map((attempt) => attempt.values()))).toEqual([[0], [0], [0]]);
    });

    it("isolate: a crash costs that one alone, and the next has its process", async () => {
      const fn = (x: number) => (x === 1 ? process.exit(7) : process.pid);
      const key = await probe.prepare(fn);
      const attempts = [0, 1, 2].map((x) => probe.startKey(key, [x], { isolate: true }));
      const ends = await Promise.all(attempts.map((attempt) => within(attempt.ended)));
      expect(ends.map((end) => end.kind)).toEqual(["ok", "crashed", "ok"]);
    });

    it.runIf(exactMemory)("memoryMb: workers that fit take turns in one slot", async () => {
      const limit = () => process.execArgv.filter((option) => option.startsWith("--max-old-space-size"));
      const key = await probe.prepare(limit);
      const limits = [undefined, 300, 300, 400, undefined];
      const attempts = limits.map((memoryMb) => probe.startKey(key, [0], memoryMb ? { memoryMb } : {}));
      const values = await Promise.all(attempts.map((attempt) => attempt.values()));
      expect(values.flat()).toEqual(limits.map((mb) => (mb ? [`--max-old-space-size=${mb}`] : [])));
    });

    it("env: for these tasks only", async () => {
      const read = () => [process.env["KINGLET_TEST_ENV"], process.env["PATH"]];
      const own = await probe.start(read, [0], { env: { KINGLET_TEST_ENV: "mine" } });
      const other = await probe.start(read, [0]);
      expect(await own.values()).toEqual([["mine", process.env["PATH"]]]);
      expect(await other.values()).toEqual([[undefined, process.env["PATH"]]]);
    });

    it("the driver's folder is the tasks' folder", async () => {
      expect(await (await probe.start(() => process.cwd(), [0])).values()).toEqual([process.cwd()]);
    });

    it("flushEachTask: an outcome is stored before the next task starts", async () => {
      const { file, open: release } = gate();
      const fn = async (x: string | number) => {
        if (typeof x === "number") return x;
        const { existsSync: exists } = process.getBuiltinModule("node:fs");
        while (!exists(x));
        return "found";
      };
      const attempt = await probe.start(fn, [1, 2, file], { flushEachTask: true });
      await probe.until(() => attempt.reports.length === 2);
      release();
      expect(await attempt.values()).toEqual([1, 2, "found"]);
    });

    it("sync: outcomes are synced, and the same", async () => {
      const attempt = await probe.start((x: number) => x + 1, [1, 2], { sync: true });
      expect(await attempt.values()).toEqual([2, 3]);
    });
  });

  describe(`${name}: lines that tasks print`, () => {
    it("arrive while a synchronous loop runs, with attempt and task", async () => {
      const { file, open: release } = gate();
      const attempt = await probe.start(loopUntilFile, [file], { first: 5 });
      const line = await probe.untilLine("looping");
      expect(line).toMatchObject({ attempt: attempt.attempt, index: 5, stream: "stdout" });
      expect(existsSync(file)).toBe(false);
      release();
      await attempt.values();
    });

    it("keep their order, whichever way they were printed", async () => {
      const attempt = await probe.start(
        (name: string, ctx: TaskContext) => {
          console.log("%s: one", name);
          console.error(`${name}: two`);
          process.stdout.write(`${name}: thr`);
          process.stdout.write("ee\n");
          process.stderr.write(`${name}: four`);
          ctx.log(`${name}: five`, { a: 1 });
        },
        ["a", "b"],
      );
      await attempt.ended;
      const seen = probe.lines.map(({ index, stream, text }) => [index, stream, text]);
      const expected = (name: string, index: number) => [
        [index, "stdout", `${name}: one`],
        [index, "stderr", `${name}: two`],
        [index, "stdout", `${name}: three`],
        [index, "stdout", `${name}: five { a: 1 }`],
        [index, "stderr", `${name}: four`],
      ];
      expect(seen).toEqual([...expected("a", 0), ...expected("b", 1)]);
    });

    it("are all there, also thousands from one synchronous task", async () => {
      const fn = (count: number) => {
        for (let i = 0; i < count; i++) console.log("line", i);
      };
      await (await probe.start(fn, [5000])).values();
      expect(probe.lines.map((line) => line.text)).toEqual(
        Array.from({ length: 5000 }, (_, i) => `line ${i}`),
      );
    });

    it("come from child processes as well", async () => {
      const attempt = await probe.start(
        (text: string) => {
          const { spawnSync } = process.getBuiltinModule("node:child_process");
          spawnSync("echo", [text], { stdio: "inherit" });
        },
        ["from a child"],
      );
      expect(await probe.untilLine("from a child")).toMatchObject({
        attempt: attempt.attempt,
        stream: "stdout",
      });
      await attempt.values();
    });
  });

  describe(`${name}: requests of tasks`, () => {
    it("reach the driver, and its answer reaches the task", async () => {
      // No public way leads there but ctx.pool, which is tested with the pool: this is what it stands on.
      const attempt = await probe.start(
        async (_: number, ctx: TaskContext) => {
          try {
            const pool = ctx.pool as { run(fn: unknown, input: unknown): Promise<unknown> };
            return await pool.run((x: number) => x, 1);
          } catch (error) {
            return (error as Error).message;
          }
        },
        [0],
      );
      await probe.until(() => probe.requests.length > 0);
      const { requestId, payload } = probe.requests[0]!;
      expect(probe.requests[0]!.attempt).toBe(attempt.attempt);
      expect(payload.length).toBeGreaterThan(0);
      const refusal = { ok: false, code: "TOO_DEEP", message: "no nesting in this test" };
      probe.backend.reply(attempt.attempt, requestId, Buffer.from(JSON.stringify(refusal)));
      expect(await attempt.values()).toEqual(["no nesting in this test"]);
    });
  });

  describe(`${name}: closing`, () => {
    it("ends all attempts, and leaves no process", async () => {
      const running = await probe.start(loopUntilFile, [gate().file], { slot: probe.slot(0) });
      const line = await probe.untilLine("looping");
      expect(line.attempt).toBe(running.attempt);
      const queued = await probe.start((x: number) => x, [1], { slot: probe.slot(0) });
      const pids = await (await probe.start(() => process.pid, [0], { slot: probe.slot(1) })).values();
      await probe.close();
      expect(await running.ended).toMatchObject({ kind: "cancelled" });
      if (queues) expect(await queued.ended).toMatchObject({ kind: "cancelled" });
      if (keepsWorkers) for (const pid of pids) expect(isAlive(pid as number)).toBe(false);
    });

    it("may be asked for twice, and refuses what comes later", async () => {
      await Promise.all([probe.backend.close(), probe.backend.close()]);
      probe.backend.scale(2);
      probe.backend.cancel(1, "abort");
      probe.backend.reply(1, 1, new Uint8Array());
    });
  });

  describe.runIf(killable)(`${name}: workers killed at any moment`, () => {
    it.each(amount({ short: [1], long: [1, 2, 3, 4, 5, 6] }))(
      "lose nothing, and no task ends twice (seed %i)",
      async (seed) => {
        const random = seededRandom(seed);
        const key = await probe.prepare(async (x: number) => {
          if (x % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          if (x % 3 === 0) await null;
          return [x, process.pid];
        });
        const total = 600;
        const pidOfTask = new Map<number, number>();
        const pids = await pidsOfBoth(probe);
        const todo: [first: number, count: number][] = [];
        for (let first = 0; first < total; first += 20) todo.push([first, 20]);
        let kills = 0;

        const runBatch = async (slot: string, first: number, count: number): Promise<void> => {
          const items = Array.from({ length: count }, (_, i) => first + i);
          const attempt = probe.startKey(key, items, { slot, first });
          if (random() < 0.5 && kills < 12) {
            const victims = [...pids].filter(isAlive);
            const victim = victims[Math.floor(random() * victims.length)];
            for (let turns = Math.floor(random() * 40); turns > 0; turns--) await new Promise(setImmediate);
            if (victim !== undefined && isAlive(victim)) {
              kills += 1;
              process.kill(victim, "SIGKILL");
            }
          }
          const end = await within(attempt.ended);
          for (const [index, { value }] of await attempt.outcomes()) {
            const [item, pid] = value as [number, number];
            expect(item).toBe(index);
            expect(pidOfTask.has(index)).toBe(false);
            pidOfTask.set(index, pid);
            pids.add(pid);
          }
          if (end.kind === "ok") return;
          expect(end).toMatchObject({ kind: "crashed", evidence: "signal SIGKILL" });
          for (const index of items) if (!pidOfTask.has(index)) todo.push([index, 1]);
        };
        const work = async (slot: string): Promise<void> => {
          for (let batch = todo.shift(); batch; batch = todo.shift()) await runBatch(slot, ...batch);
        };
        await Promise.all([work(probe.slot(0)), work(probe.slot(1))]);
        expect([...pidOfTask.keys()].sort((a, b) => a - b)).toEqual(
          Array.from({ length: total }, (_, i) => i),
        );
        expect(kills).toBeGreaterThan(0);
      },
    );
  });
}

async function pidsOfBoth(probe: ComputeProbe): Promise<Set<number>> {
  const key = await probe.prepare(() => process.pid);
  const attempts = [0, 1].map((i) => probe.slot(i)).map((slot) => probe.startKey(key, [0], { slot }));
  const values = await Promise.all(attempts.map((attempt) => attempt.values()));
  return new Set(values.flat() as number[]);
}

/** Fails where it hangs. How soon local attempts end is a matter of their own waits: see test/compute/local/ends-soon.test.ts. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process still runs; one that has ended, but that nobody has asked after yet, doesn't. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

// --- tasks; each needs nothing but its item ---

async function waitForFile(file: string): Promise<string> {
  const { existsSync: exists } = process.getBuiltinModule("node:fs");
  while (!exists(file)) await new Promise((resolve) => setTimeout(resolve, 1));
  return "found";
}

function loopUntilFile(file: string): string {
  const { existsSync: exists } = process.getBuiltinModule("node:fs");
  console.log("looping");
  while (!exists(file));
  return "found";
}

function exitWith(item: string): string {
  if (item === "bad") process.exit(3);
  return item;
}
function exitWithZero(item: string): string {
  if (item === "bad") process.exit(0);
  return item;
}
function segfault(item: string): string {
  if (item === "bad") {
    process.kill(process.pid, "SIGSEGV");
    for (;;);
  }
  return item;
}
function abortProcess(item: string): string {
  if (item === "bad") process.abort();
  return item;
}
function killItself(item: string): string {
  if (item === "bad") {
    process.kill(process.pid, "SIGKILL");
    for (;;);
  }
  return item;
}
function fillHeap(item: string): string {
  if (item === "bad") {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(1_000_000).fill({}));
  }
  return item;
}
async function fillBuffers(item: string): Promise<string> {
  const kept: Buffer[] = [];
  while (item === "bad") {
    kept.push(Buffer.alloc(4 * 1024 * 1024, 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return item;
}
function loopForEver(item: string): string {
  while (item === "bad");
  return item;
}
function waitForEver(item: string): unknown {
  return item === "bad" ? new Promise((resolve) => setTimeout(resolve, 1e9)) : item;
}
function rejectAside(item: string): string {
  if (item === "bad") void Promise.reject(new Error("aside"));
  return item;
}
async function rejectAsideAsync(item: string): Promise<string> {
  if (item === "bad") void Promise.reject(new Error("aside"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  return item;
}
async function throwInTimer(item: string): Promise<string> {
  if (item === "bad") {
    setTimeout(() => {
      throw new Error("in a timer");
    }, 1);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return item;
}
function throwInTick(item: string): string {
  if (item === "bad") {
    process.nextTick(() => {
      throw new Error("in a tick");
    });
  }
  return item;
}

/** Another byte than was written, as a bad disk gives it; where objects are no files, as a put of other bytes. */
async function damage(store: ObjectStore, key: string): Promise<void> {
  const file = store.localPath?.(key);
  if (file !== undefined) chmodSync(file, 0o600);
  const bytes = file === undefined ? Buffer.from(await store.get(key)) : readFileSync(file);
  bytes[20]! ^= 1;
  if (file === undefined) await store.put(key, bytes);
  else writeFileSync(file, bytes);
}
