// Entry of the worker function. Its worker process boots while this process loads the rest.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Writable } from "node:stream";
import { systemClock } from "../../clock.ts";
import { storeAt } from "../../storage/locate.ts";
import { startProcess } from "../local/start-process.ts";
import { workerMemoryMb } from "../relay/memory.ts";
import { Environment } from "./environment.ts";
import type { InvokePayload } from "./payload.ts";

/** What the Node runtime of Lambda offers as a global. Source: AWS Lambda Developer Guide, "Response streaming". */
declare const awslambda: {
  streamifyResponse(handler: StreamHandler): unknown;
};

type StreamHandler = (event: InvokePayload, response: Writable, context: LambdaContext) => Promise<void>;

interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

const memoryMb = Number(process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]);
const started = startProcess({
  memoryMb: workerMemoryMb(memoryMb),
  execPath: process.execPath,
  execArgv: [],
});
started.child.on("error", () => {}); // whoever takes it over hears of it too

/** Only the folder of an environment of Lambda's is there for tasks alone. */
const isAlone = process.env["LAMBDA_TASK_ROOT"] === "/var/task" && existsSync("/var/task");
const environment = new Environment({
  worker: process.env["AWS_LAMBDA_LOG_STREAM_NAME"] ?? String(process.pid),
  memoryMb,
  started,
  openStore: storeAt,
  clock: systemClock,
  ...(isAlone ? { scratch: tmpdir() } : {}),
});

/** How long this process took, until its first invoke. */
let startMs: number | undefined = performance.now();

/** Frames that come together go out together: each write is a message on its way to the driver. */
class FrameOutput {
  readonly #stream: Writable;
  #chunks: Uint8Array[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  readonly send = (chunks: readonly Uint8Array[]): void => {
    if (this.#chunks.length === 0) setImmediate(() => this.#flush());
    this.#chunks.push(...chunks);
  };

  #flush(): void {
    if (this.#chunks.length === 0) return;
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#stream.write(bytes);
  }

  end(): Promise<void> {
    this.#flush();
    return new Promise((resolve) => this.#stream.end(resolve));
  }
}

export const handler = awslambda.streamifyResponse(async (event, response, context) => {
  const output = new FrameOutput(response);
  const deadlineMs = Date.now() + context.getRemainingTimeInMillis();
  const facts = startMs === undefined ? { deadlineMs } : { deadlineMs, startMs: Math.round(startMs) };
  startMs = undefined;
  await environment.invoke(event, facts, output.send);
  await output.end();
});
