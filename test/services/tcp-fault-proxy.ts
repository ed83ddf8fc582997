import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from "node:net";
import { FaultDice, type Rates } from "./fault-dice.ts";

const FAULTS = [
  /** The connection is reset as soon as it is there. */
  "refused",
  /** The connection is reset, and the server never saw these bytes. */
  "resetBefore",
  /** The server got the bytes and has answered; the connection is reset in place of the answer. */
  "resetAfter",
  /** Only a part of the bytes reaches the server before the connection is reset. */
  "torn",
  /** The bytes are held back for a while; those behind them wait. */
  "slow",
] as const;

export type TcpFault = (typeof FAULTS)[number];

export interface TcpFaultProxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  readonly seed: number;
  /** How often a connection is `refused`, and what happens to each piece that a client sends. */
  readonly rates?: Rates<TcpFault>;
  /** How long `slow` takes. Default 20. */
  readonly slowMs?: number;
}

/** Stands before a server that speaks its own protocol over TCP (Redis), and breaks connections. */
export async function openTcpFaultProxy(options: TcpFaultProxyOptions): Promise<TcpFaultProxy> {
  const proxy = new TcpFaultProxy(options);
  await proxy.listen();
  return proxy;
}

export class TcpFaultProxy {
  readonly #options: TcpFaultProxyOptions;
  readonly #dice: FaultDice<TcpFault>;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #isCut = false;
  /** Connections that came. */
  connections = 0;

  constructor(options: TcpFaultProxyOptions) {
    this.#options = options;
    this.#dice = new FaultDice(FAULTS, options.seed, options.rates ?? {});
    this.#server = createServer({ noDelay: true }, (client) => this.#serve(client));
  }

  get host(): string {
    return "127.0.0.1";
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Faults that happened, by kind. */
  get counts(): Readonly<Record<TcpFault, number>> {
    return this.#dice.counts;
  }

  /** From now on. */
  setRates(rates: Rates<TcpFault>): void {
    this.#dice.rates = rates;
  }

  /** Resets every connection there is, and each new one until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const client of this.#clients) client.resetAndDestroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, this.host);
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const client of this.#clients) client.destroy();
  }

  #serve(client: Socket): void {
    this.connections += 1;
    const isRefused = this.#dice.throw().fault === "refused";
    if (isRefused) this.#dice.happened("refused");
    if (isRefused || this.#isCut) {
      client.on("error", () => {}).resetAndDestroy();
      return;
    }
    const server = createConnection({ ...this.#options.target, noDelay: true });
    this.#clients.add(client);
    // Either end takes the other one along.
    const end = () => {
      this.#clients.delete(client);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    const connection = { client, server, losesAnswer: false };
    client.on("data", (bytes) => this.#pass(bytes, connection));
    server.on("data", (bytes) => {
      if (!connection.losesAnswer) {
        client.write(bytes);
        return;
      }
      this.#dice.happened("resetAfter");
      client.resetAndDestroy();
    });
  }

  #pass(bytes: Buffer, connection: { client: Socket; server: Socket; losesAnswer: boolean }): void {
    const { client, server } = connection;
    const { fault, where } = this.#dice.throw();
    if (fault === "resetBefore") {
      this.#dice.happened(fault);
      client.resetAndDestroy();
    } else if (fault === "torn") {
      this.#dice.happened(fault);
      server.write(bytes.subarray(0, Math.floor(where * bytes.length)), () => client.resetAndDestroy());
    } else if (fault === "slow") {
      this.#dice.happened(fault);
      client.pause();
      setTimeout(() => {
        server.write(bytes);
        client.resume();
      }, this.#options.slowMs ?? 20);
    } else {
      if (fault === "resetAfter") connection.losesAnswer = true;
      server.write(bytes);
    }
  }
}
