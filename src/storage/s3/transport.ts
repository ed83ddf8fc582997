import type { Dispatcher, Pool } from "undici";
import { sizeOf } from "../bodies.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query, escaped. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal?: AbortSignal;
  /** Where the body of a 206 goes, if it has just this length: spares a copy. Called with the answer's headers. */
  readonly into?: (headers: Readonly<Record<string, string>>) => Uint8Array;
}

/** Chunks in memory, or a body that can be read again for another try. */
export type RequestBody =
  | readonly Uint8Array[]
  | { readonly sizeBytes: number; readonly sha256: string; chunks(): AsyncIterable<Uint8Array> };

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Sends requests to one origin. Rejects with undici's or the system's errors, or with the signal's reason. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

export interface TransportOptions {
  /** Connections kept open at most. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** The longest time without a byte either way. */
  readonly stallTimeoutMs: number;
}

/** Bodies go out in pieces of this size, so that a slow upload counts as going on. */
const PIECE_BYTES = 1024 * 1024;

/**
 * HTTP/1.1 by undici's dispatcher, the quickest way to send a request from Node (docs/decisions/0012-s3-client.md).
 * Loads undici with the first request.
 */
export function createTransport(origin: string, options: TransportOptions): Transport {
  let pool: Promise<Pool> | Pool | undefined;
  const open = async (): Promise<Pool> => {
    const undici = await import("undici");
    pool = new undici.Pool(origin, {
      connections: options.connections,
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: options.stallTimeoutMs,
      bodyTimeout: options.stallTimeoutMs,
      // Servers close idle connections after a minute or less: better to be first.
      keepAliveTimeout: 4_000,
    });
    return pool;
  };
  return {
    async send(request) {
      request.signal?.throwIfAborted();
      pool ??= open();
      return dispatch(pool instanceof Promise ? await pool : pool, request);
    },
    async close() {
      await (await pool)?.destroy();
    },
  };
}

function dispatch(pool: Pool, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, signal } = request;
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  let controller: Dispatcher.DispatchController | undefined;
  let status = 0;
  let headers: Record<string, string> = {};
  let collect = new Collector(undefined);
  const onAbort = (): void => {
    controller?.abort(signal!.reason);
    reject(signal!.reason);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const end = (): void => signal?.removeEventListener("abort", onAbort);
  pool.dispatch(
    { method, path, ...bodyOf(request) },
    {
      onRequestStart(started) {
        controller = started;
        if (signal?.aborted) started.abort(signal.reason);
      },
      onResponseStart(_controller, code, received) {
        status = code;
        headers = received as Record<string, string>;
        // A HEAD's length is that of the object.
        if (method !== "HEAD")
          collect = new Collector(
            headers["content-length"],
            code === 206 ? request.into?.(headers) : undefined,
          );
      },
      onResponseData(_controller, chunk) {
        collect.add(chunk);
      },
      onResponseEnd() {
        end();
        resolve({ status, headers, body: collect.bytes() });
      },
      onResponseError(_controller, error) {
        end();
        reject(error);
      },
    },
  );
  return promise;
}

function bodyOf(request: HttpRequest): Pick<Dispatcher.DispatchOptions, "headers" | "body"> {
  const { body, headers } = request;
  if (body === undefined) return { headers };
  const sizeBytes = "sizeBytes" in body ? body.sizeBytes : sizeOf(body);
  const sized = { ...headers, "content-length": String(sizeBytes) };
  if (sizeBytes === 0) return { headers: sized };
  if (!("sizeBytes" in body) && body.length === 1 && sizeBytes <= PIECE_BYTES) {
    return { headers: sized, body: body[0]! };
  }
  // undici takes any iterable of chunks; its types know only some.
  const pieces = "sizeBytes" in body ? body.chunks() : piecesOf(body);
  return { headers: sized, body: pieces as unknown as Uint8Array };
}

function* piecesOf(chunks: readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES);
  }
}

/** The chunks of a response as bytes of their own: undici's are slices of what came by the socket. */
class Collector {
  readonly #whole: Uint8Array | undefined;
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  constructor(contentLength: string | undefined, into?: Uint8Array) {
    if (contentLength === undefined) return;
    const lengthBytes = Number(contentLength);
    this.#whole = into?.byteLength === lengthBytes ? into : unfilled(lengthBytes);
  }

  add(chunk: Uint8Array): void {
    if (this.#whole) this.#whole.set(chunk, this.#sizeBytes);
    else this.#chunks.push(chunk);
    this.#sizeBytes += chunk.byteLength;
  }

  bytes(): Uint8Array {
    if (this.#whole) return this.#whole;
    return this.#chunks.length === 0 ? new Uint8Array(0) : new Uint8Array(Buffer.concat(this.#chunks));
  }
}

/** Bytes of their own that are all going to be written: zeroing them first would take a tenth of a big download. */
export function unfilled(sizeBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}
