import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { CodePackages } from "../../src/bundle/code-packages.ts";
import { driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";
import type { Graph } from "../../src/codec/graph/envelope.ts";
import { openDiskStore } from "../../src/storage/disk.ts";

/** What is sent to the worker process: a captured function, and the encoded arguments of each call. */
export interface Request {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly calls: readonly (readonly Uint8Array[])[];
  /** Modules come from this code package alone. */
  readonly code?: { readonly storeRoot: string; readonly reference: string };
}

/** What comes back: each call's outcome, encoded; or why the function could not be restored. */
export interface Answer {
  readonly id: number;
  readonly outcomes: { readonly ok: boolean; readonly bytes: Uint8Array }[];
  readonly failed?: string;
}

export interface Worker {
  /** Calls the function once for each list of arguments, each time with fresh captured state. */
  call(captured: { readonly bytes: Uint8Array }, ...calls: (readonly unknown[])[]): Promise<unknown[]>;
  close(): void;
}

export interface WorkerOptions {
  readonly execPath?: string;
  readonly execArgv?: readonly string[];
  /** Code travels as a package, by a store in this folder: the worker has no loader and imports no file of its own. */
  readonly packagesIn?: string;
}

/** A worker process of the given Node, warm until `close`. Results and errors are decoded as the driver does. */
export function startWorker(options: WorkerOptions = {}): Worker {
  const { NODE_OPTIONS: _inherited, ...env } = process.env;
  const child: ChildProcess = fork(fileURLToPath(new URL("./worker-process.ts", import.meta.url)), {
    serialization: "advanced",
    execPath: options.execPath ?? process.execPath,
    execArgv: [
      ...(options.packagesIn === undefined ? (options.execArgv ?? []) : []),
      "--disable-warning=ExperimentalWarning",
    ],
    env,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.on("exit", (code) => {
    for (const [id, settle] of waiting)
      settle({ id, outcomes: [], failed: `the worker exited with ${code}` });
  });
  const lane = driverGraphLane();
  const codec = createCodec(lane);
  const packages = options.packagesIn === undefined ? undefined : packagesIn(options.packagesIn);
  const graphs: Graph[] = [];
  lane.onGraph = (graph) => graphs.push(graph);
  return {
    async call(captured, ...calls) {
      const id = ++lastId;
      const encoded = calls.map((args) => args.map((arg) => Buffer.concat(codec.encode(arg, "item"))));
      const job = packages?.forFunction(captured.bytes);
      job?.addGraphs(graphs.splice(0));
      await job?.ready();
      const code = job && { storeRoot: options.packagesIn!, reference: job.reference! };
      const answer = await new Promise<Answer>((resolve) => {
        waiting.set(id, resolve);
        child.send({
          id,
          bytes: captured.bytes,
          calls: encoded,
          ...(code ? { code } : {}),
        } satisfies Request);
      });
      if (answer.failed) throw new Error(answer.failed);
      const values: unknown[] = [];
      for (const { ok, bytes } of answer.outcomes) {
        const value = await codec.decode(new Uint8Array(bytes));
        if (!ok) throw value;
        values.push(value);
      }
      return values;
    },
    close: () => child.kill(),
  };
}

/** Made for the machine that this is. */
function packagesIn(root: string): CodePackages {
  const target = { platform: "linux", arch: process.arch as "x64" | "arm64", node: "24" } as const;
  return new CodePackages({ store: openDiskStore(root), target, lease: () => {} });
}
