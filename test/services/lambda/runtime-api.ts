import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Server } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Invocation } from "./invocation.ts";

/** What an environment's runtime says and asks. */
export interface RuntimeSide {
  /** It wants its next invocation. @param give hands it over, whenever there is one */
  onNext(give: (invocation: Invocation, deadlineMs: number, functionArn: string) => void): void;
  /** @returns the status that the runtime gets: 202, or 413 if it is too large */
  onResponse(requestId: string, payload: Buffer): number;
  /** Part of a streamed response; `onResponse` follows, without a payload, or `onError`. */
  onChunk(requestId: string, bytes: Buffer): void;
  onError(requestId: string, payload: Buffer): void;
  onInitError(payload: Buffer): void;
}

const ROUTE = /^\/2018-06-01\/runtime\/(?:invocation\/(?:next|([^/]+)\/(response|error))|init\/error)$/;

/**
 * The Runtime API for all environments: each calls an address of its own, and is known by it.
 * https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
export class RuntimeApi {
  readonly #environments = new Map<string, RuntimeSide>();
  readonly #http: HttpServer;
  #lastAddress = 0;

  constructor(server: Server) {
    this.#http = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    server.on("connection", (socket) => this.#http.emit("connection", socket));
  }

  /** @returns the address that is this environment's alone */
  add(environment: RuntimeSide): string {
    this.#lastAddress += 1;
    const [high, low] = [Math.floor(this.#lastAddress / 250), this.#lastAddress % 250];
    const address = `127.${1 + (Math.floor(high / 250) % 250)}.${high % 250}.${low + 1}`;
    this.#environments.set(address, environment);
    return address;
  }

  remove(address: string): void {
    this.#environments.delete(address);
  }

  close(): void {
    this.#http.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const environment = this.#environments.get(request.socket.localAddress ?? "");
    const route = ROUTE.exec(request.url ?? "");
    if (!environment || !route) {
      response.writeHead(404).end();
      return;
    }
    const [path, requestId, kind] = route;
    if (path.endsWith("/next")) {
      environment.onNext((...given) => giveInvocation(response, ...given));
      return;
    }
    const isStreamed =
      kind === "response" && request.headers["lambda-runtime-function-response-mode"] === "streaming";
    if (isStreamed) for await (const bytes of request) environment.onChunk(requestId!, bytes as Buffer);
    const payload = isStreamed ? streamError(request) : await buffer(request);
    let status = 202;
    if (isStreamed && payload.length > 0) environment.onError(requestId!, payload);
    else if (kind === "response") status = environment.onResponse(requestId!, payload);
    else if (kind === "error") environment.onError(requestId!, payload);
    else environment.onInitError(payload);
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ status: status === 202 ? "OK" : "Error" }));
  }
}

/** A function that fails in the middle of its response says so in trailers. */
function streamError({ trailers }: IncomingMessage): Buffer {
  const errorType = trailers["lambda-runtime-function-error-type"];
  if (!errorType) return Buffer.alloc(0);
  const body = Buffer.from(trailers["lambda-runtime-function-error-body"] ?? "", "base64");
  return body.length > 0 ? body : Buffer.from(JSON.stringify({ errorType, errorMessage: "" }));
}

function giveInvocation(
  response: ServerResponse,
  { requestId, payload, traceId, clientContext }: Invocation,
  deadlineMs: number,
  functionArn: string,
): void {
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": payload.length,
    "Lambda-Runtime-Aws-Request-Id": requestId,
    "Lambda-Runtime-Deadline-Ms": deadlineMs,
    "Lambda-Runtime-Invoked-Function-Arn": functionArn,
    "Lambda-Runtime-Trace-Id": traceId,
    ...(clientContext ? { "Lambda-Runtime-Client-Context": clientContext } : {}),
  });
  response.end(payload);
}
