import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { FaultDice, type Rates } from "./fault-dice.ts";

const FAULTS = [
  /** The connection is reset, and the server never saw the request. */
  "resetBefore",
  /** The server has done what was asked; the connection is reset in place of its answer. */
  "resetAfter",
  /** 503 SlowDown, for this request and some that follow it. */
  "slowDown",
  /** The answer's body ends in the middle, with the connection. */
  "truncated",
  /** The answer's body comes bit by bit. */
  "slowBody",
  /** No answer until the client gives up; the server may have done what was asked, or never saw it. */
  "stall",
  /** The answer is held back until that of a later request has overtaken it. */
  "reordered",
  /** One byte of the answer's body is wrong. */
  "corrupted",
  /** One byte of the request's body is wrong when it reaches the server. */
  "corruptedUpload",
] as const;

export type HttpFault = (typeof FAULTS)[number];

export interface FaultProxyOptions {
  /** The server behind: `http://127.0.0.1:<port>` */
  readonly target: string;
  /** Print it where a test fails. */
  readonly seed: number;
  readonly rates?: Rates<HttpFault>;
  /** Longest burst of `slowDown`, in requests. Default 5. */
  readonly longestBurst?: number;
  /** How long `stall` waits for the client to give up before it resets the connection. Default 60,000. */
  readonly stallMs?: number;
  /** How long `reordered` waits to be overtaken. Default 150. */
  readonly holdMs?: number;
}

/** Which requests: by `GET`, `PUT`, … and the path with its query. */
export type Matches = (method: string, path: string) => boolean;

/**
 * Stands before an S3 server, and does to requests what networks and servers do. It passes requests on as they are:
 * the `Host` that the client signed, the proxy's own, reaches the server.
 *
 * @example
 * const proxy = await openFaultProxy({ target: s3().endpoint, seed, rates: { resetAfter: 0.05 } });
 * // … use proxy.endpoint; expect(proxy.counts.resetAfter).toBeGreaterThan(0);
 * await proxy.close();
 */
export async function openFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.listen();
  return proxy;
}

export class FaultProxy {
  readonly #options: FaultProxyOptions;
  readonly #dice: FaultDice<HttpFault>;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true, timeout: 5000 });
  readonly #forced: { fault: HttpFault; matches: Matches }[] = [];
  readonly #held = new Set<() => void>();
  #burstLeft = 0;
  /** Requests that came. */
  requests = 0;

  constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.#dice = new FaultDice(FAULTS, options.seed, options.rates ?? {});
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (incoming, response) => {
      // Whatever breaks here has ended the connection already: to the client it is one more fault.
      this.#serve(incoming, response).catch(() => reset(response));
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Faults that happened, by kind. */
  get counts(): Readonly<Record<HttpFault, number>> {
    return this.#dice.counts;
  }

  /** From now on. */
  setRates(rates: Rates<HttpFault>): void {
    this.#dice.rates = rates;
  }

  /** Does it to the next request that matches. */
  force(fault: HttpFault, matches: Matches = () => true): void {
    this.#forced.push({ fault, matches });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const { fault, where } = this.#next(incoming);
    if (fault === "slowDown") {
      this.#dice.happened("slowDown");
      incoming.resume();
      return answerSlowDown(response);
    }
    if (fault === "resetBefore" || (fault === "stall" && where < 0.5)) {
      this.#dice.happened(fault);
      if (fault === "stall") await this.#untilGivenUp(response);
      return reset(response);
    }
    const answer = await this.#ask(incoming, fault, where);
    if (fault === "resetAfter" || fault === "stall") {
      await drained(answer);
      this.#dice.happened(fault);
      if (fault === "stall") await this.#untilGivenUp(response);
      return reset(response);
    }
    if (fault === "reordered") await this.#untilOvertaken();
    await this.#pass(answer, response, fault, where);
    if (fault !== "reordered") this.#releaseHeld();
  }

  #next(incoming: IncomingMessage): { fault: HttpFault | undefined; where: number } {
    // A throw for each request, used or not: the n-th one stays the n-th.
    const thrown = this.#dice.throw();
    const asked = this.#forced.findIndex(({ matches }) => matches(incoming.method!, incoming.url!));
    if (asked >= 0) return { fault: this.#forced.splice(asked, 1)[0]!.fault, where: thrown.where };
    if (this.#burstLeft > 0) {
      this.#burstLeft -= 1;
      return { fault: "slowDown", where: thrown.where };
    }
    if (thrown.fault === "slowDown")
      this.#burstLeft = Math.floor(thrown.where * (this.#options.longestBurst ?? 5));
    return thrown;
  }

  /** Passes the request on. @returns the answer, its body not yet read */
  async #ask(
    incoming: IncomingMessage,
    fault: HttpFault | undefined,
    where: number,
  ): Promise<IncomingMessage> {
    const { hostname, port } = new URL(this.#options.target);
    const asked = request({
      ...{ hostname, port, agent: this.#agent, method: incoming.method, path: incoming.url },
      headers: incoming.rawHeaders as unknown as Record<string, string>,
      setHost: false,
    });
    const answered = once(asked, "response") as Promise<[IncomingMessage]>;
    // The client may go away before there is an answer.
    incoming.once("close", () => incoming.complete || asked.destroy());
    const sent =
      fault === "corruptedUpload"
        ? pipeline(incoming, this.#corrupting(fault, where), asked)
        : pipeline(incoming, asked);
    // A server may answer, and close, before it has read the whole body.
    sent.catch(() => {});
    const [answer] = await answered;
    return answer;
  }

  async #pass(
    answer: IncomingMessage,
    response: ServerResponse,
    fault: HttpFault | undefined,
    where: number,
  ): Promise<void> {
    response.writeHead(answer.statusCode!, answer.statusMessage, answer.rawHeaders);
    const sizeBytes = Number(answer.headers["content-length"] ?? 0);
    const hasBody = sizeBytes > 1 && answer.statusCode! < 300 && response.req.method === "GET";
    if (fault === "truncated" && hasBody) {
      this.#dice.happened(fault);
      await sendStart(answer, response, Math.floor(where * sizeBytes));
    } else if (fault === "slowBody" && hasBody) {
      this.#dice.happened(fault);
      await pipeline(answer, slowly, response);
    } else if (fault === "corrupted" && hasBody) {
      await pipeline(answer, this.#corrupting(fault, where), response);
    } else await pipeline(answer, response);
  }

  /** Turns one byte around, of the first chunk that there is. */
  #corrupting(fault: HttpFault, where: number): Transform {
    let isDone = false;
    return new Transform({
      transform: (chunk: Buffer, _encoding, pass) => {
        if (!isDone && chunk.length > 0) {
          isDone = true;
          this.#dice.happened(fault);
          chunk[Math.floor(where * chunk.length)]! ^= 0xff;
        }
        pass(null, chunk);
      },
    });
  }

  async #untilGivenUp(response: ServerResponse): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.stallMs ?? 60_000);
    if (!response.destroyed) await once(response, "close", { signal }).catch(() => {});
  }

  async #untilOvertaken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const release = () => resolve(true);
    this.#held.add(release);
    const timer = setTimeout(resolve, this.#options.holdMs ?? 150, false);
    if (await promise) this.#dice.happened("reordered");
    clearTimeout(timer);
    this.#held.delete(release);
  }

  /** The one that has waited longest goes last. */
  #releaseHeld(): void {
    for (const release of [...this.#held].reverse()) release();
  }
}

/** As a cut cable or a dead server: no orderly end. */
const reset = (response: ServerResponse): void => {
  response.socket?.resetAndDestroy();
};

function answerSlowDown(response: ServerResponse): void {
  const body =
    "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
  response.writeHead(503, { "content-type": "application/xml", "content-length": body.length });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

async function drained(answer: IncomingMessage): Promise<void> {
  answer.resume();
  await once(answer, "end");
}

/** Sends so many bytes of the body, and resets the connection once they are out. */
async function sendStart(answer: Readable, response: ServerResponse, sizeBytes: number): Promise<void> {
  let left = sizeBytes;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    await new Promise((resolve) => response.write(part, resolve));
    if (left === 0) break;
  }
  // An orderly end of the connection: the bytes that were sent do arrive.
  response.socket?.destroy();
}

/** Some pieces with pauses between them. */
async function* slowly(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    const pieceBytes = Math.ceil(chunk.length / 4);
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      await delay(2);
      yield chunk.subarray(at, at + pieceBytes);
    }
  }
}
