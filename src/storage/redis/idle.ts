import type { Cluster, Redis } from "ioredis";

/** Keeps the process alive while something is under way, and only then: an open store alone doesn't. */
export class Busy {
  readonly #timer = setInterval(() => {}, 2 ** 30).unref();
  #count = 0;

  begin(): void {
    this.#count += 1;
    if (this.#count === 1) this.#timer.ref();
  }

  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#timer.unref();
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
