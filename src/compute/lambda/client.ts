import { hash } from "node:crypto";
import type { Dispatcher, Pool } from "undici";
import type { CredentialSource } from "../../aws/credentials.ts";
import { type Credentials, Signer } from "../../aws/sign.ts";
import type { Clock } from "../../clock.ts";
import { EventStreamReader, type StreamMessage } from "./event-stream.ts";

/** How an invoke ended. */
export type InvokeEnd =
  /** The function is over. `error`: it failed, as Lambda says. */
  | { readonly kind: "complete"; readonly error?: FunctionError; readonly logTail?: string }
  /** Lambda answered that it doesn't run. */
  | ({ readonly kind: "refused" } & Refusal)
  /** The connection failed. `wasSent`: the function may run, or have run. */
  | { readonly kind: "broken"; readonly error: Error; readonly wasSent: boolean };

export interface FunctionError {
  /** `Unhandled`, … */
  readonly code: string;
  /** `{"errorType": …, "errorMessage": …}`, or plain text. */
  readonly details: string;
}

export interface Refusal {
  readonly status: number;
  /** Name of the exception: `TooManyRequestsException`, … */
  readonly code: string;
  readonly message: string;
  /** Of a TooManyRequestsException: `ReservedFunctionConcurrentInvocationLimitExceeded`, … */
  readonly reason?: string;
  readonly retryAfterMs?: number;
}

export interface RunningInvoke {
  readonly ended: Promise<InvokeEnd>;
  /** Closes the connection; `ended` resolves as broken. */
  abort(reason: Error): void;
}

export interface LambdaClient {
  /**
   * Invokes a function once, whatever comes of it. `onData` takes what its response stream brings, as views that are
   * valid only during the call; what it throws breaks the invoke off.
   */
  invoke(functionName: string, payload: Uint8Array, onData: (bytes: Uint8Array) => void): RunningInvoke;
  /** Invokes sent so far. */
  readonly requests: number;
  /** Lambda has answered once. */
  readonly hasAnswered: boolean;
  close(): Promise<void>;
}

export interface LambdaClientOptions {
  readonly region: string;
  /** Default: AWS's own of the region. */
  readonly endpoint?: string | undefined;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  /** A connection on which nothing came for so long is dead. Default 45,000: supervisors speak every 10 s. */
  readonly silenceMs?: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** An environment may take a while to start, and to fetch its code. */
const FIRST_BYTE_MS = 60_000;
const SILENCE_MS = 45_000;
/** Shorter than load balancers wait before they close an idle connection. */
const KEEP_ALIVE_MS = 10_000;

export const lambdaOrigin = (region: string): string =>
  `https://lambda.${region}.${region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"}`;

/**
 * Signed invokes with streamed responses (InvokeWithResponseStream) by undici: one connection for each that is in
 * flight, kept open for the next. Never tries anything again but for expired credentials. Loads undici with the first.
 */
export function createLambdaClient(options: LambdaClientOptions): LambdaClient {
  return new HttpClient(options);
}

class HttpClient implements LambdaClient {
  requests = 0;
  hasAnswered = false;
  readonly #options: LambdaClientOptions;
  readonly #origin: string;
  readonly #host: string;
  readonly #basePath: string;
  readonly #signer: Signer;
  #pool: Promise<Pool> | undefined;

  constructor(options: LambdaClientOptions) {
    this.#options = options;
    const url = new URL(options.endpoint ?? lambdaOrigin(options.region));
    this.#origin = url.origin;
    this.#host = url.host;
    this.#basePath = url.pathname.replace(/\/+$/, "");
    this.#signer = new Signer(options.region, "lambda");
  }

  invoke(functionName: string, payload: Uint8Array, onData: (bytes: Uint8Array) => void): RunningInvoke {
    const aborted = new AbortController();
    const ended = this.#invoke(functionName, payload, onData, aborted.signal);
    return { ended, abort: (reason) => aborted.abort(reason) };
  }

  async #invoke(
    functionName: string,
    payload: Uint8Array,
    onData: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<InvokeEnd> {
    const first = await this.#send(functionName, payload, onData, signal);
    if (first.kind !== "refused" || !HAS_EXPIRED.test(first.code)) return first;
    if (!this.#options.credentials.renew()) return first;
    return this.#send(functionName, payload, onData, signal);
  }

  async #send(
    functionName: string,
    payload: Uint8Array,
    onData: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<InvokeEnd> {
    const known = this.#options.credentials.get();
    const credentials = known instanceof Promise ? await known : known;
    const pool = await (this.#pool ??= this.#open());
    if (signal.aborted) return { kind: "broken", error: signal.reason as Error, wasSent: false };
    this.requests += 1;
    const end = await exchange(pool, this.#request(functionName, payload, credentials), onData, signal);
    if (end.kind !== "broken") this.hasAnswered = true;
    return end;
  }

  #request(functionName: string, payload: Uint8Array, credentials: Credentials): Dispatcher.DispatchOptions {
    const path = `${this.#basePath}/2021-11-15/functions/${functionName}/response-streaming-invocations`;
    const headers = this.#signer.sign(
      {
        method: "POST",
        host: this.#host,
        path,
        query: "",
        headers: { "x-amz-invocation-type": "RequestResponse", "x-amz-log-type": "Tail" },
        bodySha256: hash("sha256", payload),
      },
      credentials,
      this.#options.clock.nowMs(),
    );
    headers["content-type"] = "application/json";
    headers["content-length"] = String(payload.byteLength);
    return { method: "POST", path, headers, body: payload };
  }

  async #open(): Promise<Pool> {
    const undici = await import("undici");
    return new undici.Pool(this.#origin, {
      connections: null,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: FIRST_BYTE_MS,
      bodyTimeout: this.#options.silenceMs ?? SILENCE_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
  }

  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }
}

const HAS_EXPIRED = /^(ExpiredToken|ExpiredTokenException)$/;

/** One request and its answer. */
function exchange(
  pool: Pool,
  request: Dispatcher.DispatchOptions,
  onData: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<InvokeEnd> {
  const { promise, resolve } = Promise.withResolvers<InvokeEnd>();
  let controller: Dispatcher.DispatchController | undefined;
  let answer: Answer | undefined;
  const finish = (end: InvokeEnd): void => {
    signal.removeEventListener("abort", onAbort);
    resolve(end);
  };
  const onAbort = (): void => {
    controller?.abort(signal.reason as Error);
    finish({ kind: "broken", error: signal.reason as Error, wasSent: controller !== undefined });
  };
  signal.addEventListener("abort", onAbort, { once: true });
  pool.dispatch(request, {
    onRequestStart(started) {
      controller = started;
      if (signal.aborted) started.abort(signal.reason as Error);
    },
    onResponseStart(_controller, status, headers) {
      answer = status === 200 ? new StreamAnswer(onData) : new RefusalAnswer(status, headers);
    },
    onResponseData(started, chunk) {
      try {
        answer!.push(chunk);
      } catch (error) {
        started.abort(error as Error);
      }
    },
    onResponseEnd() {
      finish(answer!.end());
    },
    onResponseError(_controller, error) {
      finish(answer?.atBreak() ?? { kind: "broken", error, wasSent: controller !== undefined });
    },
  });
  return promise;
}

interface Answer {
  push(chunk: Uint8Array): void;
  end(): InvokeEnd;
  /** What the answer comes to where the connection breaks; undefined where that isn't known. */
  atBreak(): InvokeEnd | undefined;
}

class StreamAnswer implements Answer {
  readonly #reader: EventStreamReader;
  #end: InvokeEnd | undefined;

  constructor(onData: (bytes: Uint8Array) => void) {
    this.#reader = new EventStreamReader((message) => {
      const event = message.headers[":event-type"];
      if (event === "PayloadChunk") onData(message.payload);
      else if (event === "InvokeComplete") this.#end = completion(message);
      else if (message.headers[":message-type"] !== "event") throw new Error(describeException(message));
    });
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  end(): InvokeEnd {
    const error = new Error("the response ended before Lambda said that the function was over");
    return this.#end ?? { kind: "broken", error, wasSent: true };
  }

  atBreak(): InvokeEnd | undefined {
    return this.#end;
  }
}

function completion({ payload }: StreamMessage): InvokeEnd {
  const { ErrorCode, ErrorDetails, LogResult } = JSON.parse(payload.toString()) as Record<
    string,
    string | undefined
  >;
  return {
    kind: "complete",
    ...(ErrorCode ? { error: { code: ErrorCode, details: ErrorDetails ?? "" } } : {}),
    ...(LogResult ? { logTail: Buffer.from(LogResult, "base64").toString() } : {}),
  };
}

const describeException = ({ headers, payload }: StreamMessage): string =>
  `${headers[":exception-type"] ?? headers[":error-code"] ?? "an exception"} in the response: ${payload.toString().slice(0, 500)}`;

class RefusalAnswer implements Answer {
  readonly #status: number;
  readonly #headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly #chunks: Uint8Array[] = [];

  constructor(status: number, headers: Readonly<Record<string, string | string[] | undefined>>) {
    this.#status = status;
    this.#headers = headers;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(Buffer.from(chunk));
  }

  end(): InvokeEnd {
    const text = Buffer.concat(this.#chunks).toString();
    const { message, Message, Reason, __type } = parsed(text);
    const code = String(this.#headers["x-amzn-errortype"] ?? __type ?? "")
      .split(":", 1)[0]!
      .replace(/^.*#/, "");
    const retryAfterS = Number(this.#headers["retry-after"]);
    return {
      kind: "refused",
      status: this.#status,
      code: code || `HTTP ${this.#status}`,
      message: message ?? Message ?? text.slice(0, 500),
      ...(Reason ? { reason: Reason } : {}),
      ...(retryAfterS > 0 ? { retryAfterMs: retryAfterS * 1000 } : {}),
    };
  }

  atBreak(): InvokeEnd {
    return this.end();
  }
}

function parsed(text: string): Partial<Record<"message" | "Message" | "Reason" | "__type", string>> {
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return {};
  }
}
