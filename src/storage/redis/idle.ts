import type { Cluster, Redis } from "ioredis";

/** Looks so often within the time after which a connection counts as dead. */
const CHECKS = 4;

/**
 * Keeps the process alive while something is under way, and only then: an open store alone doesn't. Calls `onStall` when
 * something was under way for `stallTimeoutMs` (up to a quarter longer) and `bytesRead` didn't change.
 */
export class Busy {
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #bytesRead: number | undefined;
  #quietChecks = 0;

  constructor(stallTimeoutMs: number, bytesRead: () => number | undefined, onStall: () => void) {
    const check = (): void => {
      const now = bytesRead();
      const isQuiet = this.#count > 0 && now !== undefined && now === this.#bytesRead;
      this.#quietChecks = isQuiet ? this.#quietChecks + 1 : 0;
      this.#bytesRead = now;
      if (this.#quietChecks >= CHECKS) onStall();
    };
    // ioredis' own timeout costs a timer and a listener for each call: a fifth of all that a call costs.
    this.#timer = setInterval(check, Math.max(1, stallTimeoutMs / CHECKS)).unref();
  }

  begin(): void {
    this.#count += 1;
    if (this.#count === 1) this.#timer.ref();
  }

  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#timer.unref();
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/** What ioredis keeps of its own, and doesn't show in its types. */
interface Internals {
  readonly reconnectTimeout?: NodeJS.Timeout | null;
  readonly subscriber?: { stop(): void };
}

/** Lets the process end though a connection is open, or waits to be made again. */
export function letProcessEnd(redis: Redis | Cluster): void {
  const internals = redis as unknown as Internals;
  // ioredis sets the timer right after the event's cause.
  redis.on("reconnecting", () => internals.reconnectTimeout?.unref());
  if (redis.isCluster) {
    redis.on("+node", (node: Redis) => letProcessEnd(node));
    // Nothing is ever subscribed to through the cluster: one connection less.
    redis.on("ready", () => internals.subscriber?.stop());
  } else {
    redis.on("connect", () => (redis as Redis).stream.unref());
  }
}
