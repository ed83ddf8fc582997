import { Connection } from "./connection.ts";
import { HttpFailure } from "./failure.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";

export interface HttpOptions {
  readonly connectTimeoutMs: number;
  /** The longest time without a byte either way. */
  readonly stallTimeoutMs: number;
}

/** Servers close idle connections after a minute or less: better to be first. */
const IDLE_TIMEOUT_MS = 4_000;
const LONGEST_CHECK_MS = 1_000;

/**
 * Connections to one server, kept open between requests; as many as there are requests at a time, which is for the caller
 * to bound.
 */
export class Connections {
  readonly #origin: { readonly secure: boolean; readonly host: string; readonly port: number };
  readonly #options: HttpOptions;
  readonly #all = new Set<Connection>();
  /** The one used last is the next: those beyond need become idle. */
  readonly #free: Connection[] = [];
  #timer: NodeJS.Timeout | undefined;
  #tlsSession: Buffer | undefined;
  #closed = false;

  /** @param origin `https://host[:port]` */
  constructor(origin: string, options: HttpOptions) {
    const { protocol, hostname, port } = new URL(origin);
    const secure = protocol === "https:";
    const host = hostname.replace(/^\[|\]$/g, "");
    this.#origin = { secure, host, port: Number(port) || (secure ? 443 : 80) };
    this.#options = options;
  }

  /** Rejects with HttpFailures, the system's errors, or the signal's reason. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    if (this.#closed) throw new HttpFailure("HTTP_CLOSED", "the store is closed");
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (free.free) return free.send(request);
    }
    return this.#open().send(request);
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#all)
      connection.destroy(new HttpFailure("HTTP_CLOSED", "the store is closed"));
  }

  #open(): Connection {
    const { connectTimeoutMs, stallTimeoutMs } = this.#options;
    const connection = new Connection({
      ...this.#origin,
      ...this.#options,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      tlsSession: this.#tlsSession,
      onTlsSession: (session) => {
        this.#tlsSession = session;
      },
      onFree: (free) => this.#free.push(free),
      onClose: (closed) => this.#forget(closed),
    });
    this.#all.add(connection);
    const everyMs = Math.min(LONGEST_CHECK_MS, connectTimeoutMs / 4, stallTimeoutMs / 4);
    this.#timer ??= setInterval(() => this.#checkTime(), Math.max(1, everyMs)).unref();
    return connection;
  }

  #checkTime(): void {
    const nowMs = performance.now();
    for (const connection of this.#all) connection.checkTime(nowMs);
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
