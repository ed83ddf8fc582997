import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32 } from "node:zlib";
import { systemClock } from "../../../src/clock.ts";
import type { WorkerFunctions } from "../../../src/compute/lambda/deploy/contract.ts";
import { Environment } from "../../../src/compute/lambda/environment.ts";
import type { InvokePayload } from "../../../src/compute/lambda/payload.ts";
import { encodeFrame } from "../../../src/compute/local/protocol.ts";
import { FRAME_STARTED, RELAY_PROTOCOL } from "../../../src/compute/relay/protocol.ts";
import { openStoreAt } from "../../../src/storage/locate.ts";

/**
 * A stand-in for Lambda within the test's own process, for tests of what the driver's side does when things go wrong:
 * it speaks InvokeWithResponseStream, and its environments are the product's own, with real worker processes. What
 * Lambda itself is like is the double's business (test/services/lambda).
 */
export type Fault =
  /** 429, with nothing run. */
  | { readonly kind: "throttle"; readonly retryAfterS?: number }
  | { readonly kind: "answer"; readonly status: number; readonly code: string; readonly message?: string }
  /** The connection breaks; the function goes on. `afterBytes` of the response have been sent. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** The environment is killed once it has sent this text (a line that its task prints): Lambda says so. */
  | { readonly kind: "kill"; readonly atText: string; readonly logTail?: string }
  /** It is stopped for a while in the middle. */
  | { readonly kind: "freeze"; readonly forMs: number }
  /** Two environments are given the payload. */
  | { readonly kind: "twice" }
  /** The environment doesn't start. */
  | { readonly kind: "no start"; readonly errorType: string; readonly errorMessage: string };

export interface LoopbackOptions {
  /** What happens to the invoke of this number, from 0. */
  readonly faultOf?: (invoke: number) => Fault | undefined;
  readonly timeoutS?: number;
}

export interface Loopback {
  readonly endpoint: string;
  readonly functions: WorkerFunctions;
  /** What environments say of their version, where they only say that. */
  pretendVersion: string | undefined;
  /** Names of functions that were asked for. */
  readonly ensured: string[];
  readonly invokes: number;
  /** Names that don't exist (any more). */
  readonly gone: Set<string>;
  /** The most that ran at a time. */
  readonly mostAtOnce: number;
  close(): Promise<void>;
}

export async function openLoopback(options: LoopbackOptions = {}): Promise<Loopback> {
  const loopback = new LoopbackServer(options);
  await loopback.listen();
  return loopback;
}

class LoopbackServer implements Loopback {
  readonly ensured: string[] = [];
  readonly gone = new Set<string>();
  invokes = 0;
  mostAtOnce = 0;
  pretendVersion: string | undefined;
  readonly #options: LoopbackOptions;
  readonly #server: Server;
  readonly #idle = new Map<string, Environment[]>();
  readonly #all = new Set<Environment>();
  #made = 0;
  #running = 0;

  constructor(options: LoopbackOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  readonly functions: WorkerFunctions = {
    ensure: async ({ memoryMb, copy }) => {
      const name = `kinglet-test-${memoryMb}-${copy}`;
      this.ensured.push(name);
      return { name, memoryMb, timeoutS: this.#options.timeoutS ?? 60 };
    },
    startFailure: async () => "the log says: no such module",
  };

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await Promise.all([...this.#all].map((environment) => environment.close()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const name = /functions\/([^/]+)\/response-streaming-invocations$/.exec(request.url ?? "")?.[1];
    if (!name || !/^AWS4-HMAC-SHA256 .*\/lambda\/aws4_request/.test(request.headers.authorization ?? "")) {
      refuse(
        response,
        403,
        "AccessDeniedException",
        "User: arn:test is not authorized to perform: lambda:InvokeFunction",
      );
      return;
    }
    if (this.gone.has(name)) {
      refuse(response, 404, "ResourceNotFoundException", `Function not found: ${name}`);
      return;
    }
    const fault = this.#options.faultOf?.(this.invokes++);
    if (fault?.kind === "throttle") {
      if (fault.retryAfterS) response.setHeader("retry-after", fault.retryAfterS);
      refuse(
        response,
        429,
        "TooManyRequestsException",
        "Rate Exceeded.",
        "ConcurrentInvocationLimitExceeded",
      );
      return;
    }
    if (fault?.kind === "answer") {
      refuse(response, fault.status, fault.code, fault.message ?? "as the test says");
      return;
    }
    const payload = JSON.parse(Buffer.concat(chunks).toString()) as InvokePayload;
    response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" });
    if (fault?.kind === "no start") {
      const { errorType, errorMessage } = fault;
      endWith(response, { errorType, errorMessage });
      return;
    }
    if (this.pretendVersion) {
      const started = { protocol: RELAY_PROTOCOL, kinglet: this.pretendVersion, worker: "w", memoryMb: 512 };
      response.write(message("PayloadChunk", Buffer.concat(encodeFrame(FRAME_STARTED, started))));
      response.end(message("InvokeComplete", Buffer.from("{}")));
      return;
    }
    if (fault?.kind === "twice") void this.#run(name, payload, () => true).catch(() => {});
    await this.#serve(name, payload, response, fault);
  }

  async #serve(name: string, payload: InvokePayload, response: ServerResponse, fault: Fault | undefined) {
    let sentBytes = 0;
    let over = false;
    let held: Buffer[] | undefined;
    let killed: () => void = () => {};
    const killing = new Promise<void>((resolve) => (killed = resolve));
    const write = (bytes: Buffer): boolean => {
      if (fault?.kind === "kill" && bytes.includes(fault.atText)) killed();
      if (over) return fault?.kind === "cut";
      if (held) {
        held.push(bytes);
        return true;
      }
      if (fault?.kind === "cut" && sentBytes + bytes.length > fault.afterBytes) {
        over = true;
        response.write(bytes.subarray(0, Math.max(0, fault.afterBytes - sentBytes)));
        setImmediate(() => response.destroy());
        return true;
      }
      sentBytes += bytes.length;
      response.write(message("PayloadChunk", bytes));
      return true;
    };
    const end = (body: object) => {
      if (over) return;
      over = true;
      response.end(message("InvokeComplete", Buffer.from(JSON.stringify(body))));
    };
    if (fault?.kind === "freeze") {
      held = [];
      setTimeout(() => {
        const late = held!;
        held = undefined;
        for (const bytes of late) write(bytes);
        if (lateEnd) end({});
      }, fault.forMs);
    }
    let lateEnd = false;
    const running = this.#run(name, payload, write, killing);
    const how = await running.then(
      (done) => (done ? "done" : "killed"),
      (error: Error) => error,
    );
    if (held) lateEnd = true;
    if (how === "done" && !held) end({});
    else if (how === "killed" && fault?.kind === "kill") {
      const errorMessage = "RequestId: x Error: Runtime exited with error: signal: killed";
      const { logTail } = fault;
      end({
        ErrorCode: "Unhandled",
        ErrorDetails: JSON.stringify({ errorType: "Runtime.ExitError", errorMessage }),
        ...(logTail ? { LogResult: Buffer.from(logTail).toString("base64") } : {}),
      });
    } else if (how instanceof Error) {
      end({
        ErrorCode: "Unhandled",
        ErrorDetails: JSON.stringify({ errorType: how.name, errorMessage: how.message }),
      });
    }
  }

  /** False: the environment was killed. */
  async #run(
    name: string,
    payload: InvokePayload,
    write: (bytes: Buffer) => boolean,
    killing?: Promise<void>,
  ): Promise<boolean> {
    const [environment, isNew] = this.#environmentOf(name);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
    let alive = true;
    const facts = {
      deadlineMs: Date.now() + (this.#options.timeoutS ?? 60) * 1000,
      ...(isNew ? { startMs: 1 } : {}),
    };
    const run = environment.invoke(payload, facts, (chunks) => {
      if (alive) write(Buffer.concat(chunks));
    });
    try {
      const done = await Promise.race([
        run.then(() => true),
        ...(killing ? [killing.then(() => false)] : []),
      ]);
      alive = false;
      if (done) this.#idle.get(name)!.push(environment);
      else await environment.close();
      return done;
    } finally {
      this.#running -= 1;
    }
  }

  #environmentOf(name: string): [Environment, boolean] {
    const idle = this.#idle.get(name) ?? [];
    this.#idle.set(name, idle);
    const warm = idle.pop();
    if (warm) return [warm, false];
    const memoryMb = Number(/-(\d+)-\d+$/.exec(name)?.[1] ?? 512);
    const environment = new Environment({
      worker: `environment-${++this.#made}`,
      memoryMb,
      openStore: openStoreAt,
      clock: systemClock,
    });
    this.#all.add(environment);
    return [environment, true];
  }
}

function refuse(response: ServerResponse, status: number, code: string, text: string, reason?: string): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "x-amzn-errortype": `${code}:http://internal/`,
  });
  response.end(JSON.stringify({ message: text, Type: "User", ...(reason ? { Reason: reason } : {}) }));
}

function endWith(response: ServerResponse, details: object): void {
  const body = { ErrorCode: "Unhandled", ErrorDetails: JSON.stringify(details) };
  response.end(message("InvokeComplete", Buffer.from(JSON.stringify(body))));
}

/** A message of an event stream. */
export function message(eventType: string, payload: Uint8Array): Buffer {
  const header = (name: string, value: string) => {
    const bytes = Buffer.alloc(1 + name.length + 3 + value.length);
    bytes[0] = name.length;
    bytes.write(name, 1);
    bytes[1 + name.length] = 7;
    bytes.writeUInt16BE(value.length, 2 + name.length);
    bytes.write(value, 4 + name.length);
    return bytes;
  };
  const headers = Buffer.concat([
    header(":message-type", "event"),
    header(":event-type", eventType),
    header(":content-type", "application/octet-stream"),
  ]);
  const bytes = Buffer.alloc(16 + headers.length + payload.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.writeUInt32BE(headers.length, 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8);
  bytes.set(headers, 12);
  bytes.set(payload, 12 + headers.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
}
