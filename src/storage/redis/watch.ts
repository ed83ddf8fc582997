import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Version, WaitOptions, WaitResult } from "../kv/contract.ts";
import { STAMP_BYTES, versionOf } from "../kv/versions.ts";
import type { RedisClient } from "./client.ts";

/** How often a broken connection is made anew before a wait fails, and how long it waits in between, at most. */
const ATTEMPTS = 6;
const LONGEST_DELAY_MS = 2_000;
/** A dead server is noticed within about twice this. */
const PING_MS = 10_000;

/** A key as it lies in Redis. */
export interface WatchedKey {
  readonly name: string;
  readonly slot: number;
}

/**
 * Waits for changes by the server's own tracking of what a connection has read ("client-side caching", Redis 6): reading a
 * stamp asks to be told of its next change, by whomever, expiry and eviction included, in the same step.
 * So writers pay nothing, nothing is polled, and no change between read and wait is lost.
 */
export class RedisWatcher {
  readonly #client: RedisClient;
  readonly #sessions = new Map<string, Promise<Session>>();

  constructor(client: RedisClient) {
    this.#client = client;
  }

  async wait(
    key: WatchedKey,
    since: Version | undefined,
    { timeoutMs, signal }: WaitOptions,
  ): Promise<WaitResult> {
    signal?.throwIfAborted();
    const timeUp = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const ends = AbortSignal.any([signal, timeUp].filter((one) => one !== undefined));
    for (let failures = 0; ; ) {
      if (this.#client.closed) throw this.#client.failure(undefined, "wait for a change");
      try {
        const session = await this.#sessionOf(key);
        const woken = session.next(key.name, ends);
        const version = await session.version(key.name);
        if (version !== since) return { changed: true, version };
        failures = 0;
        await woken;
      } catch (error) {
        if (++failures >= ATTEMPTS || this.#client.closed) throw error;
        await this.#client.refreshSlots();
        await delay(Math.min(50 * 2 ** failures, LONGEST_DELAY_MS), undefined, { signal: ends }).catch(
          () => {},
        );
      }
      signal?.throwIfAborted();
      if (timeUp?.aborted) return { changed: false, version: since };
    }
  }

  async close(): Promise<void> {
    const sessions = await Promise.allSettled(this.#sessions.values());
    for (const session of sessions) if (session.status === "fulfilled") session.value.end();
  }

  #sessionOf(key: WatchedKey): Promise<Session> {
    const node = this.#client.nodeOf(key.slot);
    const id = node ?? "";
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = Session.open(this.#client, node, () => this.#sessions.delete(id));
      this.#sessions.set(id, session);
      session.catch(() => this.#sessions.delete(id));
    }
    return session;
  }
}

/** Two connections to a node: one reads, and so asks; the other is told. */
class Session {
  readonly #reader: Redis;
  readonly #receiver: Redis;
  readonly #wakes = new Map<string, Set<() => void>>();
  readonly #onEnd: () => void;
  readonly #pings: NodeJS.Timeout;
  #ended = false;

  private constructor(reader: Redis, receiver: Redis, onEnd: () => void) {
    this.#reader = reader;
    this.#receiver = receiver;
    this.#onEnd = onEnd;
    this.#pings = setInterval(() => this.#ping(), PING_MS).unref();
    for (const connection of [reader, receiver]) connection.once("close", () => this.end());
    receiver.on("messageBuffer", (_channel: Buffer, names: unknown) => this.#told(names));
  }

  static async open(client: RedisClient, node: string | undefined, onEnd: () => void): Promise<Session> {
    // Redis 6's way for both protocols; ioredis passes on what version 2 gets only.
    const receiver = client.connectionTo(node, { protocol: 2 });
    const reader = client.connectionTo(node, { enableAutoPipelining: true });
    try {
      await Promise.all([receiver.connect(), reader.connect()]);
      const receiverId = await receiver.client("ID");
      await receiver.subscribe("__redis__:invalidate");
      await reader.client("TRACKING", "ON", "REDIRECT", receiverId);
      return new Session(reader, receiver, onEnd);
    } catch (error) {
      receiver.disconnect();
      reader.disconnect();
      throw client.failure(error, "wait for a change");
    }
  }

  /** The key's version now; from then on its next change is told. */
  async version(name: string): Promise<Version | undefined> {
    const stamp = await this.#reader.getrangeBuffer(name, 0, STAMP_BYTES - 1);
    return stamp.length === 0 ? undefined : versionOf(stamp);
  }

  /** Resolves when the key may have changed, the session has ended, or `ends` is aborted. */
  next(name: string, ends: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        const wakes = this.#wakes.get(name);
        wakes?.delete(wake);
        if (wakes?.size === 0) this.#wakes.delete(name);
        ends.removeEventListener("abort", wake);
        resolve();
      };
      if (this.#ended || ends.aborted) return wake();
      const wakes = this.#wakes.get(name) ?? new Set();
      this.#wakes.set(name, wakes.add(wake));
      ends.addEventListener("abort", wake);
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#pings);
    this.#reader.disconnect();
    this.#receiver.disconnect();
    this.#onEnd();
    this.#wakeAll();
  }

  /** Names whose keys changed, or null for all (FLUSHDB). */
  #told(names: unknown): void {
    if (!Array.isArray(names)) this.#wakeAll();
    else for (const name of names) for (const wake of [...(this.#wakes.get(String(name)) ?? [])]) wake();
  }

  #wakeAll(): void {
    for (const wakes of [...this.#wakes.values()]) for (const wake of [...wakes]) wake();
  }

  #ping(): void {
    for (const connection of [this.#reader, this.#receiver]) connection.ping().catch(() => this.end());
  }
}
