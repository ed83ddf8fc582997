import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { captureFunction, driverGraphLane } from "../../../src/capture/index.ts";
import { systemClock } from "../../../src/clock.ts";
import { createCodec } from "../../../src/codec/codec.ts";
import type { ConsoleLine, Invocation, OutcomeReport } from "../../../src/compute/contract.ts";
import { OrderWriter } from "../../../src/compute/relay/control.ts";
import { workerMemoryMb } from "../../../src/compute/relay/memory.ts";
import { RelayedAttempt } from "../../../src/compute/relay/relayed-attempt.ts";
import { type RelayedWork, Supervisor } from "../../../src/compute/relay/supervisor.ts";
import { ENTRY_VALUE, Run, RunBuilder } from "../../../src/job/entries.ts";
import { functionKey, journalPrefix } from "../../../src/job/keys.ts";
import type { ObjectStore } from "../../../src/storage/contract.ts";
import { openDiskStore } from "../../../src/storage/disk.ts";
import { registerHandles } from "../../../src/values/register.ts";
import type { TaskContext } from "../../../src/worker/context.ts";
import { PATIENCE_MS } from "../../support/patience.ts";
import { eventually } from "../../support/processes.ts";

const JOURNAL = "relay-tests-1";
const MACHINE_MB = 512;

let root: string;
let store: ObjectStore;
let supervisor: Supervisor;
/** Lets the machine's time be over: what waits for longer than tests take is its deadline. */
let timeIsUp: () => void;
const codec = createCodec(driverGraphLane());

beforeEach(() => {
  registerHandles();
  root = mkdtempSync(path.join(os.tmpdir(), "kinglet-relay-"));
  store = openDiskStore(root);
  supervisor = new Supervisor({
    worker: "machine-1",
    memoryMb: MACHINE_MB,
    openStore: async () => openDiskStore(root),
    clock: {
      ...systemClock,
      after: (delayMs, callback) => {
        // Looks into the store come sooner than every 2 s.
        if (delayMs < PATIENCE_MS) return systemClock.after(delayMs / 20, callback);
        timeIsUp = callback;
        return () => {};
      },
    },
  });
});

afterEach(async () => {
  await supervisor.close();
  await store.close();
  rmSync(root, { recursive: true });
});

type TaskFunction = (item: never, context: TaskContext) => unknown;
let attempts = 0;

async function invocationOf(fn: TaskFunction, items: readonly unknown[], options = {}) {
  const captured = captureFunction(fn as (...args: unknown[]) => unknown);
  await store.put(functionKey(captured.hash), captured.bytes, { ifAbsent: true });
  attempts += 1;
  const inputs = new RunBuilder({ jobNumber: 0, attempt: attempts, first: 0 });
  for (const item of items) inputs.add(ENTRY_VALUE, codec.encode(item, "item"));
  return {
    attempt: attempts,
    slot: "elsewhere",
    job: { journalId: JOURNAL, number: 0 },
    journalPrefix: journalPrefix(JOURNAL),
    functionKey: functionKey(captured.hash),
    logId: `driver-${attempts}`,
    first: 0,
    count: items.length,
    inputs: Buffer.concat(inputs.finish()),
    options,
  } satisfies Invocation;
}

interface Seen {
  readonly relayed: RelayedAttempt;
  readonly reports: OutcomeReport[];
  readonly lines: ConsoleLine[];
  readonly requests: { requestId: number; payload: Uint8Array }[];
  values(): Promise<unknown[]>;
}

function driverOf(invocation: Invocation & { logId: string }): Seen {
  const reports: OutcomeReport[] = [];
  const lines: ConsoleLine[] = [];
  const requests: { requestId: number; payload: Uint8Array }[] = [];
  const relayed = new RelayedAttempt({
    invocation,
    store,
    nowMs: Date.now,
    events: {
      progressed: (_, report) => reports.push(report),
      console: (line) => lines.push(line),
      request: (_, requestId, payload) => requests.push({ requestId, payload }),
    },
  });
  const values = async () => {
    const all: unknown[] = [];
    for (const { run } of reports) {
      const parsed = new Run(run);
      for (let i = parsed.first; i < parsed.end; i++) {
        const { kind, body } = parsed.entry(i);
        all.push(kind === ENTRY_VALUE ? await codec.decode(body) : kind);
      }
    }
    return all;
  };
  return { relayed, reports, lines, requests, values };
}

const workOf = (
  invocation: Invocation & { logId: string },
  more: Partial<RelayedWork> = {},
): RelayedWork => ({
  store: { kind: "disk", root },
  invocation,
  ...more,
});

/** Runs it in place: frames go from one to the other by a call. */
async function run(
  fn: TaskFunction,
  items: readonly unknown[],
  options = {},
  more: Partial<RelayedWork> = {},
) {
  const invocation = await invocationOf(fn, items, options);
  const seen = driverOf(invocation);
  await supervisor.run(workOf(invocation, more), (chunks) => seen.relayed.push(Buffer.concat(chunks)));
  await seen.relayed.settled();
  return { ...seen, invocation };
}

const waitForAbort = (_: number, ctx: TaskContext) => {
  console.log("waiting");
  return new Promise((_resolve, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)),
  );
};

describe("an attempt that a supervisor runs", () => {
  it("tells its outcomes, lines and end, and lies in the log that its driver chose", async () => {
    const seen = await run(
      (x: number) => {
        console.log("at", x);
        return x * 2;
      },
      [1, 2, 3],
    );
    expect(await seen.values()).toEqual([2, 4, 6]);
    expect(seen.relayed.ended!.end).toEqual({ kind: "ok" });
    expect(seen.lines.map(({ index, text }) => [index, text])).toEqual([
      [0, "at 1"],
      [1, "at 2"],
      [2, "at 3"],
    ]);
    expect(seen.relayed.started).toMatchObject({ worker: "machine-1", memoryMb: MACHINE_MB });
    expect(seen.relayed.ended!.usage).toMatchObject({ worker: "machine-1", memoryMb: MACHINE_MB });
    const logs = new Set(seen.reports.map(({ location }) => location!.log));
    expect([...logs]).toEqual([`worker-${seen.invocation.logId}.log`]);
  });

  it("keeps its worker warm, gives it all memory but its own, and leaves nothing of options behind", async () => {
    const fn = () => [process.pid, process.execArgv.filter((o) => o.includes("old-space")), process.env["X"]];
    const [first] = await (await run(fn, [0], { env: { X: "1" } })).values();
    const [second] = await (await run(fn, [0])).values();
    const limit = [`--max-old-space-size=${workerMemoryMb(MACHINE_MB)}`];
    expect(first).toEqual([expect.any(Number), limit, "1"]);
    expect(second).toEqual([(first as unknown[])[0], limit, undefined]);
  });

  it("ends typed when its worker dies, and the next one runs", async () => {
    const seen = await run((x: number) => (x === 1 ? process.exit(3) : x), [0, 1, 2]);
    expect(seen.relayed.ended!.end).toMatchObject({
      kind: "crashed",
      startedTask: 1,
      evidence: "exit code 3",
    });
    expect(await (await run((x: number) => x + 1, [1])).values()).toEqual([2]);
  });

  it("is unloadable where the function isn't there, with the error's bytes", async () => {
    const invocation = {
      ...(await invocationOf((x: number) => x, [1])),
      functionKey: functionKey("0".repeat(64)),
    };
    const { relayed } = driverOf(invocation);
    await supervisor.run(workOf(invocation), (chunks) => relayed.push(Buffer.concat(chunks)));
    const { end } = relayed.ended!;
    if (end.kind !== "unloadable") throw new Error(JSON.stringify(end));
    expect(await codec.decode(end.error)).toMatchObject({ code: "NOT_FOUND" });
  });

  it("doesn't repeat a big run: its driver reads it from the store, in order", async () => {
    const seen = await run(
      (x: number) => (x === 1 ? "small" : "x".repeat(60_000)),
      Array.from({ length: 24 }, (_, i) => (i === 23 ? 1 : 0)),
      { env: {} },
    );
    const values = await seen.values();
    expect(values).toHaveLength(24);
    expect(values.at(-1)).toBe("small");
    expect(seen.relayed.isComplete).toBe(true);
  });

  it("is found in its log where its frames were lost", async () => {
    const invocation = await invocationOf((x: number) => x + 1, [1, 2, 3]);
    await supervisor.run(workOf(invocation), () => {});
    const seen = driverOf(invocation);
    expect(await seen.relayed.readLog()).toBe(true);
    expect(await seen.values()).toEqual([2, 3, 4]);
    expect(await seen.relayed.readLog()).toBe(true);
    expect(seen.reports.reduce((sum, { count }) => sum + count, 0)).toBe(3);
  });

  it("isn't complete in its log while it runs, or where it never ran", async () => {
    const invocation = await invocationOf((x: number) => (x === 1 ? process.exit(1) : x), [0, 1]);
    const seen = driverOf(invocation);
    expect(await seen.relayed.readLog()).toBe(false);
    await supervisor.run(workOf(invocation), () => {});
    expect(await seen.relayed.readLog()).toBe(false);
    expect(seen.relayed.cursor).toBeLessThanOrEqual(1);
  });

  it("is told of once, also where two machines were given it", async () => {
    const invocation = await invocationOf((x: number) => [x, process.pid], [1, 2, 3]);
    const other = new Supervisor({
      worker: "machine-2",
      memoryMb: MACHINE_MB,
      openStore: async () => openDiskStore(root),
      clock: systemClock,
    });
    try {
      const both = [supervisor, other].map(async (machine) => {
        const seen = driverOf(invocation);
        await machine.run(workOf(invocation), (chunks) => seen.relayed.push(Buffer.concat(chunks)));
        return seen;
      });
      const ends = (await Promise.all(both)).map(({ relayed }) => relayed.ended!.end.kind).sort();
      expect(ends).toEqual(["lost", "ok"]);
      const seen = driverOf(invocation);
      expect(await seen.relayed.readLog()).toBe(true);
      const pids = (await seen.values()).map((value) => (value as number[])[1]);
      expect(new Set(pids).size).toBe(1);
    } finally {
      await other.close();
    }
  });

  it("stops at its driver's order, which comes by the store", async () => {
    const invocation = await invocationOf(waitForAbort, [0]);
    const { relayed, lines } = driverOf(invocation);
    const running = supervisor.run(workOf(invocation), (chunks) => relayed.push(Buffer.concat(chunks)));
    const { journalPrefix: prefix, logId } = invocation;
    const orders = new OrderWriter({ store, journalPrefix: prefix, logId });
    await eventually("the task runs", () => lines.length > 0);
    await orders.give({ abort: { graceMs: 60_000 } });
    await running;
    expect(relayed.ended!.end).toMatchObject({ kind: "cancelled", startedTask: 0 });
  });

  it("gets the answers to its requests by the store", async () => {
    const invocation = await invocationOf(
      async (_: number, ctx: TaskContext) => {
        try {
          return await (ctx.pool as { run(fn: unknown, x: unknown): Promise<unknown> }).run(
            (x: number) => x,
            1,
          );
        } catch (error) {
          return (error as Error).message;
        }
      },
      [0],
    );
    const seen = driverOf(invocation);
    const { journalPrefix: prefix, logId } = invocation;
    const orders = new OrderWriter({ store, journalPrefix: prefix, logId });
    let answered = false;
    await supervisor.run(workOf(invocation), (chunks) => {
      seen.relayed.push(Buffer.concat(chunks));
      if (answered || seen.requests.length === 0) return;
      answered = true;
      const refusal = { ok: false, code: "TOO_DEEP", message: "no nesting here" };
      void orders.reply(seen.requests[0]!.requestId, Buffer.from(JSON.stringify(refusal)));
    });
    expect(await seen.values()).toEqual(["no nesting here"]);
    await orders.cleanUp();
    const left: string[] = [];
    for await (const { key } of store.list(`${prefix}control-`)) left.push(key);
    expect(left).toEqual([]);
  });

  it("says in the store that it lives, and how it ended, once it was asked to", async () => {
    const invocation = await invocationOf(waitForAbort, [0]);
    const seen = driverOf(invocation);
    const running = supervisor.run(workOf(invocation), (chunks) => seen.relayed.push(Buffer.concat(chunks)));
    const { journalPrefix: prefix, logId } = invocation;
    const orders = new OrderWriter({ store, journalPrefix: prefix, logId });
    await eventually("the task runs", () => seen.lines.length > 0);
    await orders.give({ report: true });
    while ((await orders.reports()).alive === undefined) await new Promise(setImmediate);
    await orders.give({ abort: { graceMs: 60_000 } });
    await running;
    const { end } = await orders.reports();
    const { relayed } = driverOf(invocation);
    relayed.takeEnd(end!);
    expect(relayed.ended!.end).toMatchObject({ kind: "cancelled", startedTask: 0 });
  });

  /** Two tasks on a machine whose time is over when one of them has printed `line`. */
  async function runOutOfTime(fn: TaskFunction, line: string): Promise<Seen> {
    const invocation = await invocationOf(fn, [0, 1]);
    const seen = driverOf(invocation);
    const deadline = { atMs: Date.now() + 900_000, limitMs: 900_000 };
    await supervisor.run(workOf(invocation, { deadline }), (chunks) => {
      seen.relayed.push(Buffer.concat(chunks));
      if (seen.lines.some(({ text }) => text === line)) timeIsUp();
    });
    await seen.relayed.settled();
    return seen;
  }

  it("ends a task before its machine is taken away, with what it printed", async () => {
    const loop = () => {
      console.log("looping");
      for (;;);
    };
    const seen = await runOutOfTime(loop, "looping");
    expect(seen.relayed.ended!.end).toMatchObject({
      kind: "timed-out",
      startedTask: 0,
      evidence: expect.stringContaining("within the 900 s that a worker has"),
    });
    expect(seen.lines.map(({ text }) => text)).toEqual(["looping"]);
  });

  it("doesn't charge a task that began late when the machine's time is over", async () => {
    const fn = (x: number) => {
      if (x === 0) return "done";
      console.log("began late");
      return new Promise((resolve) => setTimeout(resolve, 1e9));
    };
    const seen = await runOutOfTime(fn, "began late");
    expect(seen.relayed.ended!.end).toMatchObject({ kind: "cancelled" });
    expect(await seen.values()).toEqual(["done"]);
  });
});

describe("frames over a plain stream", () => {
  it("are the same, however they are cut", async () => {
    const server = createServer((socket) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
        if (!text.endsWith("\n")) return;
        const work = JSON.parse(text, (key, value) =>
          key === "inputs" ? Buffer.from(value, "base64") : value,
        );
        void supervisor
          .run(work, (chunks) => writeCut(socket, Buffer.concat(chunks)))
          .then(() => socket.end());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    try {
      const invocation = await invocationOf(
        (x: number) => {
          console.log(`line ${x}`);
          return "y".repeat(x);
        },
        [1, 1000, 100_000],
      );
      const seen = driverOf(invocation);
      const socket = connect(port, "127.0.0.1");
      socket.on("data", (chunk) => seen.relayed.push(chunk));
      const work = {
        ...workOf(invocation),
        invocation: { ...invocation, inputs: invocation.inputs.toString("base64") },
      };
      socket.write(`${JSON.stringify(work)}\n`);
      await new Promise((resolve) => socket.on("close", resolve));
      expect(seen.relayed.ended!.end).toEqual({ kind: "ok" });
      expect((await seen.values()).map((v) => (typeof v === "string" ? v.length : v))).toEqual([1, 1000, 1]);
      expect(seen.lines).toHaveLength(3);
    } finally {
      server.close();
    }
  });
});

function writeCut(socket: Socket, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += 7001) socket.write(bytes.subarray(at, at + 7001));
}
