import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { StoreError } from "../../errors.ts";
import { inheritFrom, KeyCall, send as sendCommand, type WireCommand } from "./call.ts";
import { isRedirection, isUnknownScript, redisFailure } from "./failures.ts";
import { Busy, letProcessEnd } from "./idle.ts";
import { type IoRedis, type IoRedisCommands, loadIoRedis } from "./ioredis.ts";
import { addressOf, type RedisLocation, showRedisLocation } from "./location.ts";
import { type RedisReplies, SCRIPT_HASHES, SCRIPTS } from "./scripts.ts";
import { type Argument, type Wire, wireOf } from "./wire.ts";

export interface RedisClientOptions {
  /** Milliseconds to reach a server. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds without a byte from the server while calls are under way, after which they fail. Default 20,000. */
  readonly stallTimeoutMs?: number;
}

const STALL_TIMEOUT_MS = 20_000;

/** How often a call is sent again while a cluster moves its slot. */
const REDIRECTIONS = 8;

/**
 * A connection to Redis, single or cluster, that mends itself and never hangs: a call that the connection broke under, or that
 * finds none within the timeouts, fails with STORE_UNAVAILABLE. No call is sent twice, unless the server refused it unread
 * (ioredis would send those under way again, and increments would count twice).
 */
export class RedisClient {
  readonly description: string;
  readonly #commands: IoRedisCommands;
  readonly #redis: Redis | Cluster;
  readonly #ioredis: IoRedis;
  readonly #location: RedisLocation;
  readonly #options: RedisClientOptions;
  readonly #busy: Busy;
  #connectionError: Error | undefined;
  #gathering = false;
  #closed = false;

  private constructor(ioredis: IoRedis, location: RedisLocation, options: RedisClientOptions) {
    this.#ioredis = ioredis;
    this.#location = location;
    this.#options = options;
    this.description = showRedisLocation(location);
    inheritFrom(ioredis.Command);
    this.#busy = this.#watchfulBusy();
    this.#redis = location.cluster ? this.#cluster() : this.#single();
    for (const [name, lua] of Object.entries(SCRIPTS)) {
      this.#redis.defineCommand(name, { lua, numberOfKeys: 2 });
    }
    letProcessEnd(this.#redis);
    this.#redis.on("error", (error: Error) => {
      this.#connectionError = error;
    });
    this.#redis.on("node error", (error: Error) => {
      this.#connectionError = error;
    });
    this.#redis.on("ready", () => {
      this.#connectionError = undefined;
    });
    this.#commands = this.#redis as unknown as IoRedisCommands;
  }

  /** @throws StoreError if there is no such server, or it doesn't let us in; UsageError if ioredis isn't installed */
  static async open(location: RedisLocation, options: RedisClientOptions = {}): Promise<RedisClient> {
    const client = new RedisClient(await loadIoRedis(), location, options);
    client.#busy.begin();
    try {
      await client.#redis.connect();
      // ioredis goes on in database 0 where it can't select the one that was asked for.
      const { db } = addressOf(location);
      if (db !== 0) await (client.#redis as Redis).select(db);
      return client;
    } catch (error) {
      const failure = client.failure(error, "connect");
      await client.close();
      throw failure;
    } finally {
      client.#busy.end();
    }
  }

  /** The answer; a failure becomes the StoreError that it means. */
  async run<T>(request: () => Promise<T>, action: string, key: string | undefined): Promise<T> {
    if (this.#closed) throw this.failure(undefined, action, key);
    this.#busy.begin();
    try {
      return await request();
    } catch (error) {
      return await this.#again(error, request, action, key);
    } finally {
      this.#busy.end();
    }
  }

  /** The answer to one command or script. */
  ask<Name extends keyof RedisReplies>(
    name: Name,
    args: readonly Argument[],
    action: string,
    key: string | undefined,
  ): Promise<RedisReplies[Name]> {
    const byIoRedis = () =>
      this.run(() => this.#commands[`${name}Buffer`]!(...args) as Promise<RedisReplies[Name]>, action, key);
    if (this.#location.cluster) return byIoRedis();
    const hash = SCRIPT_HASHES[name];
    const wire = hash === undefined ? wireOf(name, args) : wireOf("evalsha", [hash, 2, ...args]);
    const call = this.callOf(name, wire, action, key, identity<RedisReplies[Name]>);
    this.#gather();
    this.send(call);
    if (hash === undefined) return call.promise;
    // A server forgets scripts when it starts: ioredis sends them again.
    return call.promise.catch((error: unknown) => {
      if (isUnknownScript(error)) return byIoRedis();
      throw error;
    });
  }

  /** One call at the one server, with nothing around it; `send` it, alone or with others in a command. */
  callOf<W extends Wire, Reply, Result>(
    name: string,
    wire: W,
    action: string,
    key: string | undefined,
    use: (reply: Reply, key: string) => Result,
  ): KeyCall<W, Reply, Result> {
    this.#busy.begin();
    return new KeyCall(this, { name, wire, action, key, use });
  }

  readonly send = (command: WireCommand<never>): void => {
    if (this.#closed) command.reject(new Error("the store is closed"));
    else sendCommand(this.#redis as Redis, command);
  };

  callEnds(): void {
    this.#busy.end();
  }

  get isCluster(): boolean {
    return this.#location.cluster ?? false;
  }

  /** Settles as `work` does, and keeps the process alive until then. */
  async whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#busy.begin();
    try {
      return await work();
    } finally {
      this.#busy.end();
    }
  }

  failure(error: unknown, action: string, key?: string): Error {
    const shown = key === undefined ? action : `${action} ${JSON.stringify(key)}`;
    if (this.#closed) return this.#closedError(shown);
    return redisFailure(error, shown, this.description, this.#connectionError, key);
  }

  /** Where a hash slot lies, or undefined where one server has all. */
  nodeOf(slot: number): string | undefined {
    if (!this.#location.cluster) return undefined;
    const node = (this.#redis as unknown as { slots: (readonly string[] | undefined)[] }).slots[slot]?.[0];
    if (node === undefined) throw this.failure(new Error(`no server has hash slot ${slot}`), "read");
    return node;
  }

  /** Asks the cluster again where its slots lie. */
  async refreshSlots(): Promise<void> {
    if (!this.#location.cluster) return;
    await new Promise<void>((resolve) => (this.#redis as Cluster).refreshSlotsCache(() => resolve()));
  }

  /** A connection of its own to a node ("host:port"), that doesn't mend itself. */
  connectionTo(
    node: string | undefined,
    options: Pick<RedisOptions, "protocol" | "enableAutoPipelining">,
  ): Redis {
    const at = node?.lastIndexOf(":") ?? 0;
    const own =
      node === undefined ? {} : { host: node.slice(0, at), port: Number(node.slice(at + 1)), db: 0 };
    const redis = new this.#ioredis.Redis({
      ...this.#connection(),
      ...own,
      ...options,
      lazyConnect: true,
      retryStrategy: () => null,
    });
    redis.on("error", () => {});
    letProcessEnd(redis);
    return redis;
  }

  /** The servers that hold keys. */
  servers(): readonly Redis[] {
    return this.#location.cluster ? (this.#redis as Cluster).nodes("master") : [this.#redis as Redis];
  }

  get closed(): boolean {
    return this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#redis.disconnect();
    this.#busy.close();
  }

  /** Commands of one turn of the event loop go out in one write. ioredis' own pipelines cost as much as the commands. */
  #gather(): void {
    if (this.#gathering || this.#location.cluster) return;
    const { stream } = this.#redis as Redis;
    // There is none before the first connection.
    if (!stream) return;
    this.#gathering = true;
    stream.cork();
    process.nextTick(() => {
      this.#gathering = false;
      stream.uncork();
    });
  }

  async #again<T>(
    first: unknown,
    request: () => Promise<T>,
    action: string,
    key: string | undefined,
  ): Promise<T> {
    let error = first;
    for (let i = 0; this.#location.cluster && isRedirection(error) && i < REDIRECTIONS; i += 1) {
      await this.refreshSlots();
      await delay(10 * 2 ** i);
      if (this.#closed) break;
      try {
        return await request();
      } catch (next) {
        error = next;
      }
    }
    throw this.failure(error, action, key);
  }

  /** Of one server; the connections of a cluster have ioredis' own timeouts. */
  #watchfulBusy(): Busy {
    const streamOf = () => (this.#location.cluster ? undefined : (this.#redis as Redis).stream);
    const { stallTimeoutMs = STALL_TIMEOUT_MS } = this.#options;
    return new Busy(
      stallTimeoutMs,
      () => streamOf()?.bytesRead,
      () => streamOf()?.destroy(new Error(`nothing came from the server for ${stallTimeoutMs} ms`)),
    );
  }

  #single(): Redis {
    const { socketTimeout: _, ...connection } = this.#connection();
    return new this.#ioredis.Redis({
      ...connection,
      lazyConnect: true,
      // Calls under way fail at once when the connection breaks, waiting ones when it can't be made: see the class.
      maxRetriesPerRequest: 0,
      retryStrategy: backoffMs,
    });
  }

  #cluster(): Cluster {
    const { host: _host, port: _port, db: _db, ...redisOptions } = this.#connection();
    return new this.#ioredis.Cluster([...addressOf(this.#location).nodes.map(withoutBrackets)], {
      enableAutoPipelining: true,
      enableOfflineQueue: false,
      lazyConnect: true,
      clusterRetryStrategy: backoffMs,
      // Nothing that may have been done is sent again: see the class.
      retryDelayOnFailover: 0,
      // A moved slot is told by MOVED.
      slotsRefreshInterval: 0,
      slotsRefreshTimeout: this.#options.connectTimeoutMs ?? 5_000,
      redisOptions: { ...redisOptions, maxRetriesPerRequest: 0 },
    });
  }

  #connection() {
    const { nodes, db, tls, user } = addressOf(this.#location);
    const password = process.env.KINGLET_REDIS_PASSWORD || process.env.REDIS_PASSWORD;
    return {
      ...withoutBrackets(nodes[0]!),
      db,
      ...(user === undefined ? {} : { username: user }),
      ...(password ? { password } : {}),
      ...(tls ? { tls: {} } : {}),
      connectTimeout: this.#options.connectTimeoutMs ?? 5_000,
      socketTimeout: this.#options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      connectionName: "kinglet",
    };
  }

  #closedError(action: string): StoreError {
    return new StoreError("STORE_UNAVAILABLE", `can't ${action} in ${this.description}: the store is closed`);
  }
}

const identity = <T>(answer: T): T => answer;

function backoffMs(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 10), 2_000) * (0.5 + Math.random() / 2);
}

function withoutBrackets({ host, port }: { host: string; port: number }): { host: string; port: number } {
  return { host: host.replace(/^\[|\]$/g, ""), port };
}
