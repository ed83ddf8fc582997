import { type KeyCall, WireCommand } from "./call.ts";
import type { Wire } from "./wire.ts";

/** Calls of a command: enough to make it cheap, few enough that others don't wait long behind it. */
const MOST = 128;

/**
 * Sends the calls that one turn of the event loop makes as one command (MGET, MSET): half the work of a command for each,
 * here and in the server. A call alone waits for nothing.
 */
export class Batch<W extends Wire, Reply, Result> {
  readonly #name: "mget" | "mset";
  readonly #joined: (wires: readonly W[]) => Wire;
  readonly #send: (command: WireCommand<never>) => void;
  /** Most calls of many clients are alone in their turn. */
  #first: KeyCall<W, Reply, Result> | undefined;
  #others: KeyCall<W, Reply, Result>[] = [];

  constructor(
    name: "mget" | "mset",
    joined: (wires: readonly W[]) => Wire,
    send: (command: WireCommand<never>) => void,
  ) {
    this.#name = name;
    this.#joined = joined;
    this.#send = send;
  }

  add(call: KeyCall<W, Reply, Result>): Promise<Result> {
    if (this.#first === undefined) {
      this.#first = call;
      // After all that now goes on in promises.
      process.nextTick(this.#flush);
    } else if (this.#others.push(call) === MOST - 1) this.#flush();
    return call.promise;
  }

  readonly #flush = (): void => {
    const [first, others] = [this.#first, this.#others];
    if (first === undefined) return;
    this.#first = undefined;
    if (others.length === 0) {
      this.#send(first);
      return;
    }
    this.#others = [];
    const calls = [first, ...others];
    const wire = this.#joined(calls.map((call) => call.wire));
    this.#send(new ManyCalls(this.#name, wire, calls));
  };
}

/** One command for many calls. */
class ManyCalls<Reply> extends WireCommand<readonly Reply[] | Buffer> {
  readonly #wire: Wire;
  readonly #calls: readonly WireCommand<Reply>[];

  constructor(name: string, wire: Wire, calls: readonly WireCommand<Reply>[]) {
    super(name);
    this.#wire = wire;
    this.#calls = calls;
  }

  toWritable(): Wire {
    return this.#wire;
  }

  /** MGET answers each, MSET all of them with "OK". */
  resolve(replies: readonly Reply[] | Buffer): void {
    const isEach = Array.isArray(replies);
    for (let i = 0; i < this.#calls.length; i += 1) {
      this.#calls[i]!.resolve((isEach ? replies[i] : replies) as Reply);
    }
  }

  reject(error: Error): void {
    for (const call of this.#calls) call.reject(error);
  }
}
