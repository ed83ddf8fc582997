import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";
import { sizeOf } from "../../bodies.ts";
import { type AnswerBody, type AnswerHead, bodyOf, parseAnswerHead } from "./answer.ts";
import { badAnswer, HttpFailure } from "./failure.ts";
import { type HttpRequest, type HttpResponse, piecesOf, type RequestBody, requestHead } from "./message.ts";

export interface ConnectionOptions {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** The longest time without a byte either way, while a request is under way. */
  readonly stallTimeoutMs: number;
  /** Without a request for so long, it closes. */
  readonly idleTimeoutMs: number;
  /** Of an earlier connection: spares half of the handshake. */
  readonly tlsSession?: Buffer | undefined;
  readonly onTlsSession?: (session: Buffer) => void;
  /** It is free for the next request. */
  readonly onFree: (connection: Connection) => void;
  readonly onClose: (connection: Connection) => void;
}

/** Heads and small bodies arrive here, and are copied out; what comes after them is read right into its place. */
const INBOX_BYTES = 64 * 1024;
const MAX_HEAD_BYTES = 64 * 1024;
/** A body up to this size goes out in one write with its head. */
const JOINED_BYTES = 64 * 1024;

interface Exchange {
  readonly request: HttpRequest;
  readonly resolve: (response: HttpResponse) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: (() => void) | undefined;
  sent: boolean;
  head?: AnswerHead;
  body?: AnswerBody;
}

/**
 * One connection to a server, HTTP/1.1, that carries one request at a time. Bodies are read by the system right into
 * the bytes that users get: streams would allocate and copy every 64 KiB of them, twice.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #inbox = Buffer.allocUnsafeSlow(INBOX_BYTES);
  /** Start of a head whose end hasn't come yet. */
  #headStart: Buffer | undefined;
  #exchange: Exchange | undefined;
  #connected = false;
  #failure: unknown;
  /** Lets the writer of a big body go on. */
  #wake: (() => void) | undefined;
  #activeMs = performance.now();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = this.#connect();
    this.#socket.on("error", (error) => {
      this.#failure ??= error;
    });
    this.#socket.on("end", () => this.#ended());
    this.#socket.on("close", () => this.#closed());
    this.#socket.on("drain", () => {
      this.#activeMs = performance.now();
      this.#wake?.();
    });
  }

  /** Whether it can take a request. */
  get free(): boolean {
    return this.#exchange === undefined && !this.#socket.destroyed && this.#socket.writable;
  }

  send(request: HttpRequest): Promise<HttpResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const { signal } = request;
    const onAbort = signal && (() => this.destroy(signal.reason));
    this.#exchange = { request, resolve, reject, onAbort, sent: false };
    signal?.addEventListener("abort", onAbort!, { once: true });
    this.#activeMs = performance.now();
    this.#socket.ref();
    this.#write(this.#exchange);
    return promise;
  }

  /** Ends what takes too long. Called now and then. */
  checkTime(nowMs: number): void {
    const { connectTimeoutMs, stallTimeoutMs, idleTimeoutMs } = this.#options;
    const quietMs = nowMs - this.#activeMs;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      if (quietMs > idleTimeoutMs) this.destroy(undefined);
    } else if (!this.#connected && quietMs > connectTimeoutMs) {
      const message = `no connection within ${connectTimeoutMs} ms`;
      this.destroy(new HttpFailure("HTTP_CONNECT_TIMEOUT", message));
    } else if (quietMs > stallTimeoutMs) {
      const code = exchange.head === undefined ? "HTTP_NO_ANSWER" : "HTTP_ANSWER_STALLED";
      this.destroy(new HttpFailure(code, `nothing came for ${stallTimeoutMs} ms`));
    }
  }

  destroy(reason: unknown): void {
    this.#failure ??= reason;
    this.#socket.destroy();
    this.#settle((exchange) => exchange.reject(this.#failure));
  }

  #connect(): Socket {
    const { secure, host, port, tlsSession, onTlsSession } = this.#options;
    const tcp: TcpNetConnectOpts = {
      ...{ host, port, noDelay: true, keepAlive: true },
      onread: { buffer: this.#nextRoom, callback: this.#onRead },
    } as unknown as TcpNetConnectOpts;
    const connected = (): void => {
      this.#connected = true;
      this.#activeMs = performance.now();
    };
    if (!secure) return connectTcp(tcp, connected);
    const socket = connectTls(
      {
        ...tcp,
        ALPNProtocols: ["http/1.1"],
        ...(isIP(host) ? {} : { servername: host }),
        ...(tlsSession ? { session: tlsSession } : {}),
      },
      connected,
    );
    if (onTlsSession) socket.on("session", onTlsSession);
    return socket;
  }

  /** Where the system reads to next. */
  readonly #nextRoom = (): Uint8Array => {
    const body = this.#exchange?.body;
    return (body && !body.complete ? body.room() : undefined) ?? this.#inbox;
  };

  readonly #onRead = (count: number, buffer: Uint8Array): boolean => {
    this.#activeMs = performance.now();
    const exchange = this.#exchange;
    try {
      // Some servers say that they close an idle connection.
      if (exchange === undefined) this.destroy(undefined);
      else if (buffer !== this.#inbox) exchange.body!.filled(count);
      else this.#take(exchange, this.#inbox.subarray(0, count));
      if (exchange?.body?.complete) this.#finish(exchange);
    } catch (error) {
      this.destroy(error);
    }
    return true;
  };

  #take(exchange: Exchange, bytes: Buffer): void {
    if (exchange.body !== undefined) {
      exchange.body.take(bytes);
      return;
    }
    const received = this.#headStart === undefined ? bytes : Buffer.concat([this.#headStart, bytes]);
    this.#headStart = undefined;
    const end = received.indexOf("\r\n\r\n", 0, "latin1");
    if (end < 0) {
      if (received.length > MAX_HEAD_BYTES) throw badAnswer("its headers don't end");
      this.#headStart = Buffer.from(received);
      return;
    }
    const head = parseAnswerHead(received.toString("latin1", 0, end));
    const rest = received.subarray(end + 4);
    if (head.status >= 200) {
      exchange.head = head;
      exchange.body = bodyOf(head, exchange.request);
      if (rest.length > 0) exchange.body.take(rest);
    } else if (rest.length > 0) {
      // Said before the answer: 100 Continue.
      this.#take(exchange, rest);
    }
  }

  #finish(exchange: Exchange): void {
    this.#resolve(exchange);
    const { sent, head } = exchange;
    if (!(sent && head!.keepsAlive && this.#socket.writable)) {
      this.destroy(undefined);
      return;
    }
    // An idle connection doesn't keep the process alive.
    this.#socket.unref();
    this.#options.onFree(this);
  }

  /** The server sends nothing more. */
  #ended(): void {
    const exchange = this.#exchange;
    if (exchange?.body?.end()) this.#resolve(exchange);
    this.destroy(
      exchange?.body === undefined
        ? new HttpFailure("HTTP_BROKEN_OFF", "the server closed the connection")
        : new HttpFailure("HTTP_ANSWER_SHORT", "the answer was shorter than its length"),
    );
  }

  #resolve({ head, body, resolve }: Exchange): void {
    const { status, headers } = head!;
    this.#settle(() => resolve({ status, headers, body: body!.bytes() }));
  }

  #closed(): void {
    this.#failure ??= new HttpFailure("HTTP_BROKEN_OFF", "the connection was closed");
    this.#settle((exchange) => exchange.reject(this.#failure));
    this.#wake?.();
    this.#options.onClose(this);
  }

  #settle(how: (exchange: Exchange) => void): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    if (exchange.onAbort) exchange.request.signal!.removeEventListener("abort", exchange.onAbort);
    how(exchange);
  }

  #write(exchange: Exchange): void {
    const { request } = exchange;
    const { body = [] } = request;
    const sizeBytes = "sizeBytes" in body ? body.sizeBytes : sizeOf(body);
    let head: string;
    try {
      head = requestHead(request, sizeBytes);
    } catch (error) {
      this.destroy(error);
      return;
    }
    if (sizeBytes === 0) {
      this.#socket.write(head, "latin1");
      exchange.sent = true;
    } else if (!("sizeBytes" in body) && sizeBytes <= JOINED_BYTES) {
      this.#socket.write(joined(head, body, sizeBytes));
      exchange.sent = true;
    } else {
      this.#socket.write(head, "latin1");
      this.#writeBody(exchange, body).catch((error: unknown) => this.destroy(error));
    }
  }

  async #writeBody(exchange: Exchange, body: RequestBody): Promise<void> {
    const pieces = "sizeBytes" in body ? body.chunks() : piecesOf(body);
    for await (const piece of pieces) {
      // An answer may come before all is sent: the server doesn't want the rest.
      if (this.#exchange !== exchange) return;
      if (!this.#socket.write(piece)) await this.#drained();
    }
    exchange.sent = true;
  }

  /** Until the socket takes more, or is closed. */
  async #drained(): Promise<void> {
    if (this.#socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}

function joined(head: string, chunks: readonly Uint8Array[], sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + sizeBytes);
  let at = bytes.write(head, "latin1");
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
