import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";

/** What is sent to the worker process: a captured function, and the encoded arguments of each call. */
export interface Request {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly calls: readonly (readonly Uint8Array[])[];
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

/** A worker process of the given Node, warm until `close`. Results and errors are decoded as the driver does. */
export function startWorker(options: { execPath?: string; execArgv?: readonly string[] } = {}): Worker {
  const { NODE_OPTIONS: _inherited, ...env } = process.env;
  const child: ChildProcess = fork(fileURLToPath(new URL("./worker-process.ts", import.meta.url)), {
    serialization: "advanced",
    execPath: options.execPath ?? process.execPath,
    execArgv: [...(options.execArgv ?? []), "--disable-warning=ExperimentalWarning"],
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
  const codec = createCodec(driverGraphLane());
  return {
    async call(captured, ...calls) {
      const id = ++lastId;
      const encoded = calls.map((args) => args.map((arg) => Buffer.concat(codec.encode(arg, "item"))));
      const answer = await new Promise<Answer>((resolve) => {
        waiting.set(id, resolve);
        child.send({ id, bytes: captured.bytes, calls: encoded } satisfies Request);
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
