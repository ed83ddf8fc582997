import type { Command, Redis } from "ioredis";
import type { Wire } from "./wire.ts";

/**
 * A command as ioredis sends it, already in the server's protocol. ioredis' own class makes a promise, three closures, and copies of the
 * arguments and of the bytes to send; around it a second promise would tell our answer from the server's. All that ioredis asks of a
 * command besides is inherited from its class, which this one can't extend: its constructor is what costs, and it is loaded late.
 */
export abstract class WireCommand<Reply> {
  readonly name: string;
  /** ioredis shows them in errors, where nobody wants values. */
  readonly args: readonly never[] = NONE;
  /** Traces need a promise. */
  readonly isTraced = true;
  isResolved = false;
  isSettled = false;
  inTransaction = false;

  constructor(name: string) {
    this.name = name;
  }

  abstract toWritable(): Wire;

  /** ioredis calls it with the server's answer. */
  abstract resolve(reply: Reply): void;

  /** ioredis calls it with the server's refusal, or the reason why there is no answer. */
  abstract reject(error: Error): void;

  /** How ioredis would convert the answer. */
  setReplyContext(): void {}
}

const NONE: readonly never[] = [];

/** Before the first command is sent. */
export function inheritFrom(command: typeof Command): void {
  if (Object.getPrototypeOf(WireCommand.prototype) !== Object.prototype) return;
  Object.setPrototypeOf(WireCommand.prototype, command.prototype);
}

/** Never throws: the command hears of it. */
export function send(redis: Redis, command: WireCommand<never>): void {
  try {
    redis.sendCommand(command as unknown as Command);
  } catch (error) {
    command.reject(error as Error);
  }
}

/** What a call needs of its client. */
export interface CallHost {
  callEnds(): void;
  failure(error: unknown, action: string, key?: string): Error;
}

export interface KeyCallOptions<W, Reply, Result> {
  readonly name: string;
  readonly wire: W;
  /** For messages: "read". */
  readonly action: string;
  readonly key: string | undefined;
  /** What the call gives, or throws. */
  readonly use: (reply: Reply, key: string) => Result;
}

/** One call of a caller, who gets its promise. */
export class KeyCall<W extends Wire, Reply, Result> extends WireCommand<Reply> {
  readonly promise: Promise<Result>;
  readonly wire: W;
  readonly #host: CallHost;
  readonly #options: KeyCallOptions<W, Reply, Result>;
  #settle!: (result: Result) => void;
  #fail!: (error: unknown) => void;

  constructor(host: CallHost, options: KeyCallOptions<W, Reply, Result>) {
    super(options.name);
    this.wire = options.wire;
    this.#host = host;
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
  }

  toWritable(): Wire {
    return this.wire;
  }

  resolve(reply: Reply): void {
    this.#host.callEnds();
    try {
      this.#settle(this.#options.use(reply, this.#options.key!));
    } catch (error) {
      this.#fail(error);
    }
  }

  reject(error: Error): void {
    this.#host.callEnds();
    this.#fail(this.#host.failure(error, this.#options.action, this.#options.key));
  }
}
