import { createHash } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import type { RestoredFunction } from "../../src/capture/contract.ts";
import { createCodec } from "../../src/codec/codec.ts";
import type { GraphLane } from "../../src/codec/contract.ts";
import type { AttemptEnd, Invocation, InvocationOptions, OutcomeReport } from "../../src/compute/contract.ts";
import { UnserializableError } from "../../src/errors.ts";
import { ENTRY_VALUE, type Entry, Run, RunBuilder } from "../../src/job/entries.ts";
import { functionKey } from "../../src/job/keys.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { BatchControl } from "../../src/worker/batch-control.ts";
import { noServices } from "../../src/worker/context.ts";
import { FunctionCache } from "../../src/worker/functions.ts";
import { InputReader } from "../../src/worker/inputs.ts";
import { ProposalLogs } from "../../src/worker/proposal-logs.ts";
import { type BatchHost, runBatch } from "../../src/worker/run-batch.ts";
import { drive } from "../../src/worker/steps.ts";

/** A lane for errors, functions' names and nothing else: capture's own is tested elsewhere. */
export const lane: GraphLane = {
  encode(value, rootName) {
    if (value instanceof Error) {
      const { name, message, stack } = value;
      for (const [key, own] of Object.entries(value)) {
        if (typeof own === "function") throw unserializable(`${rootName}.${key}`);
      }
      return serialize({ name, message, stack, code: (value as { code?: unknown }).code });
    }
    throw unserializable(rootName);
  },
  decode: (bytes) => deserialize(bytes),
};
const unserializable = (path: string) =>
  new UnserializableError(`${path} can't be sent`, { details: { path } });

export const codec = createCodec(lane);

type TaskFunction = (item: never, ctx: never) => unknown;

/** A worker without a process: runs batches of functions of this process. */
export class BareWorker {
  readonly store: ObjectStore;
  readonly reports: OutcomeReport[] = [];
  readonly started: number[] = [];
  readonly control = new BatchControl("job");
  /** The worker's clock: stands still but for what a test adds to it. */
  nowMs = 1_000;
  /** Set by tests that look between tasks. */
  onPoll: () => void = () => {};
  readonly #functions = new Map<string, TaskFunction>();
  readonly host: BatchHost;

  constructor(store: ObjectStore = openMemoryStore()) {
    this.store = store;
    this.host = {
      store,
      code: { use: () => {} },
      functions: new FunctionCache(store, async (bytes) => this.#restore(bytes)),
      inputs: new InputReader(store),
      logs: new ProposalLogs(store, "w1"),
      services: noServices,
      codec,
      codecFor: () => codec,
      taskStarts: (index, _atMs, loading) => {
        if (!loading) this.started.push(index);
      },
      noTaskRuns: () => {},
      pollOrders: () => this.onPoll(),
      progressed: (report) => this.reports.push(report),
      request: async (payload) => payload,
      nowMs: () => this.nowMs,
    };
  }

  async #restore(bytes: Uint8Array): Promise<RestoredFunction> {
    const name = Buffer.from(bytes).toString();
    const call = this.#functions.get(name);
    if (!call) throw new Error(`there is no function ${name}`);
    return {
      name,
      instance: () => ({ call: call as (...args: unknown[]) => unknown, scope: lane }),
    };
  }

  async add(fn: TaskFunction): Promise<string> {
    const name = `function ${this.#functions.size}`;
    this.#functions.set(name, fn);
    const key = functionKey(createHash("sha256").update(name).digest("hex"));
    await this.store.put(key, Buffer.from(name));
    return key;
  }

  /** Runs `fn` over items, or entries, from task `first` on. */
  async run(
    fn: TaskFunction,
    items: readonly unknown[],
    options: InvocationOptions = {},
    more: Partial<Invocation> = {},
  ): Promise<AttemptEnd> {
    const first = more.first ?? 0;
    const run = new RunBuilder({ jobNumber: 0, attempt: 1, first });
    for (const item of items) {
      if (item instanceof InputEntry) run.add(item.entry.kind, [item.entry.body]);
      else run.add(ENTRY_VALUE, codec.encode(item, "item"));
    }
    const invocation: Invocation = {
      attempt: 1,
      slot: "here",
      job: { journalId: "aaaaaa", number: 0 },
      journalPrefix: "journals/aaaaaa/",
      functionKey: await this.add(fn),
      first,
      count: items.length,
      inputs: Buffer.concat(run.finish()),
      options,
      ...more,
    };
    return new Promise((resolve, reject) => {
      setImmediate(() => drive(runBatch(invocation, this.host, this.control), resolve, reject));
    });
  }

  /** All outcomes reported so far, in order: kind and body. */
  outcomes(): Entry[] {
    return this.reports.flatMap((report) => {
      const run = new Run(report.run);
      return Array.from({ length: run.count }, (_, i) => run.entry(run.first + i));
    });
  }

  values(): unknown[] {
    return this.outcomes().map((entry) => codec.decode(entry.body));
  }
}

/** An input that isn't a plain value. */
export class InputEntry {
  readonly entry: Entry;

  constructor(kind: Entry["kind"], body: string) {
    this.entry = { kind, body: Buffer.from(body) };
  }
}
