import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/clock.ts";
import { createLambdaBackend } from "../../src/compute/lambda/backend.ts";
import type { InvokeEnd, LambdaClient } from "../../src/compute/lambda/client.ts";
import type { ResolvedAwsOptions } from "../../src/compute/lambda/deploy/contract.ts";
import type { InvokePayload } from "../../src/compute/lambda/payload.ts";
import { encodeFrame } from "../../src/compute/local/protocol.ts";
import {
  FRAME_ENDED,
  FRAME_OUTCOMES,
  FRAME_STARTED,
  RELAY_PROTOCOL,
} from "../../src/compute/relay/protocol.ts";
import { ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import { createJournal } from "../../src/job/journal.ts";
import { createScheduler } from "../../src/scheduler/driver.ts";
import { elsewherePolicy } from "../../src/scheduler/policy.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { version } from "../../src/version.ts";
import { World } from "./world.ts";

const TASKS = 10_000;
const TASK_MS = 300_000;
/** What an environment takes to start, its function's code included. */
const START_MS = 1500;
const ROUND_TRIP_MS = 30;

/** Lambda as its scaling is documented: each function gets 1,000 environments at once, then 100 a second. */
class SimLambda implements LambdaClient {
  requests = 0;
  hasAnswered = true;
  throttled = 0;
  readonly functions = new Map<string, { tokens: number; atMs: number; idle: number }>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  invoke(name: string, payload: Uint8Array, onData: (bytes: Uint8Array) => void) {
    this.requests += 1;
    const { promise, resolve } = Promise.withResolvers<InvokeEnd>();
    this.#world.after(ROUND_TRIP_MS, () => {
      const startMs = this.#environment(name);
      if (startMs === undefined) {
        this.throttled += 1;
        const refusal = { status: 429, code: "TooManyRequestsException", message: "Rate Exceeded." };
        resolve({ kind: "refused", ...refusal, retryAfterMs: 1000 });
        return;
      }
      this.#world.after(startMs + TASK_MS, () => {
        for (const bytes of framesFor(JSON.parse(Buffer.from(payload).toString()))) onData(bytes);
        this.functions.get(name)!.idle += 1;
        resolve({ kind: "complete" });
      });
    });
    return { ended: promise, abort: () => {} };
  }

  /** How long the one takes to start that runs the invoke; undefined where no more may start now. */
  #environment(name: string): number | undefined {
    const nowMs = this.#world.nowMs;
    let one = this.functions.get(name);
    if (!one) this.functions.set(name, (one = { tokens: 1000, atMs: nowMs, idle: 0 }));
    one.tokens = Math.min(1000, one.tokens + (nowMs - one.atMs) / 10);
    one.atMs = nowMs;
    if (one.idle > 0) {
      one.idle -= 1;
      return 0;
    }
    if (one.tokens < 1) return undefined;
    one.tokens -= 1;
    return START_MS;
  }

  async close(): Promise<void> {}
}

function framesFor({ invocation }: InvokePayload): Buffer[] {
  const { attempt, first, count, job, logId } = invocation;
  const run = new RunBuilder({ jobNumber: job.number, attempt, first });
  for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from("x")]);
  const bytes = run.finish()[0]!;
  const location = { log: `worker-${logId}.log`, offsetBytes: 0, lengthBytes: bytes.length };
  const started = { protocol: RELAY_PROTOCOL, kinglet: version, worker: "w", memoryMb: 1769 };
  return [
    encodeFrame(FRAME_STARTED, started),
    encodeFrame(FRAME_OUTCOMES, { location, first, count, busyMs: TASK_MS }, bytes),
    encodeFrame(FRAME_ENDED, { end: { kind: "ok" }, billedMs: TASK_MS }),
  ].map((chunks) => Buffer.concat(chunks));
}

const AWS: ResolvedAwsOptions = {
  region: "eu-west-1",
  architecture: "arm64",
  runtime: "nodejs24.x",
  memoryMb: 1769,
  maxMemoryMb: 10_240,
  timeoutS: 900,
  ephemeralStorageMb: 512,
  storage: { kind: "s3", bucket: "b", prefix: "" },
  read: [],
};

async function simulate(concurrency: number) {
  const world = new World();
  const lambda = new SimLambda(world);
  const store = openMemoryStore();
  const clock = {
    nowMs: () => world.nowMs,
    after: (delayMs: number, callback: () => void) => world.after(delayMs, callback),
  };
  const compute = createLambdaBackend({
    aws: AWS,
    location: AWS.storage,
    store,
    slots: concurrency,
    maxSlots: concurrency,
    client: lambda,
    clock,
    random: seededRandom(1),
    credentials: { get: () => ({ accessKeyId: "", secretAccessKey: "" }), renew: () => false },
    functions: {
      ensure: async ({ memoryMb, copy }) => ({
        name: `kinglet-${memoryMb}-${copy}`,
        memoryMb,
        timeoutS: 900,
      }),
      startFailure: async () => undefined,
    },
    encodeError: () => new Uint8Array(),
    secrets: () => ({}),
  });
  const header = { format: 1, kinglet: "0", node: "", driverId: "d", epoch: 0, createdMs: 0 } as const;
  const journal = await createJournal({ store, id: "journal", header });
  const scheduler = createScheduler({
    clock,
    random: seededRandom(2),
    compute,
    slots: concurrency,
    policy: elsewherePolicy,
    defer: (callback) => void world.after(0, callback),
  });
  let shown = 0;
  let state: string | undefined;
  let next = 0;
  const beganMs = world.nowMs;
  scheduler.submit({
    ref: { journalId: "journal", number: 0 },
    journal,
    functionKey: "f",
    options: {},
    stopOnFailure: true,
    input: {
      knownLength: TASKS,
      draw: (maxTasks) => {
        const count = Math.min(maxTasks, TASKS - next);
        const run = new RunBuilder({ jobNumber: 0, attempt: 0, first: next });
        for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [Buffer.from("x")]);
        next += count;
        return { run: run.finish()[0]!, count, done: next === TASKS };
      },
    },
    onOutcomes: (_run, _first, count) => {
      shown += count;
    },
    onEnded: (end) => {
      state = end.state;
    },
  });
  const how = await world.run(() => state !== undefined, { endMs: beganMs + 3_600_000, events: 1e6 });
  return { how, state, shown, virtualMs: world.nowMs - beganMs, lambda };
}

describe("ten thousand tasks of five minutes on AWS Lambda, in virtual time", () => {
  it("are done within five and a half, by copies of the function", async () => {
    const { state, shown, virtualMs, lambda } = await simulate(TASKS);
    console.log(
      `${TASKS} tasks of 300 s in ${(virtualMs / 1000).toFixed(1)} s of virtual time, ` +
        `${lambda.functions.size} functions, ${lambda.requests} invokes, ${lambda.throttled} throttled`,
    );
    expect({ state, shown }).toEqual({ state: "done", shown: TASKS });
    expect(virtualMs).toBeLessThan(5.5 * 60_000);
    expect(lambda.functions.size).toBe(4);
    // The ramp is known, not found out by refusals.
    expect(lambda.throttled).toBeLessThan(TASKS / 100);
  });

  it("use one function where fewer are wanted", async () => {
    const { state, virtualMs, lambda } = await simulate(1000);
    expect(state).toBe("done");
    expect(lambda.functions.size).toBe(1);
    expect(virtualMs).toBeGreaterThan(10 * TASK_MS);
  });
});
