import { Environment, type Platform } from "./environment.ts";
import type { LambdaFunction } from "./functions.ts";
import type { Limits } from "./limits.ts";
import type { CloudWatchLogs } from "./logs.ts";
import type { Scaling } from "./scaling.ts";

interface Member {
  readonly environment: Environment;
  readonly fn: LambdaFunction;
  isTaken: boolean;
}

/** The environments of one account in one region: which are there, which is free. */
export class Fleet {
  readonly #members = new Map<Environment, Member>();
  readonly #limits: Limits;
  readonly #platform: Platform;
  readonly #logs: CloudWatchLogs;
  readonly #scaling: Scaling;

  constructor(limits: Limits, platform: Platform, logs: CloudWatchLogs, scaling: Scaling) {
    this.#limits = limits;
    this.#platform = platform;
    this.#logs = logs;
    this.#scaling = scaling;
  }

  /**
   * The environment that ran last and is free, else a new one. Give it back with `release`.
   *
   * @throws AwsError 429 if no more may be started now
   */
  take(fn: LambdaFunction): Environment {
    const free = [...this.#members.values()].findLast(
      (member) => member.fn === fn && !member.isTaken && !member.environment.hasEnded,
    );
    const member = free ?? this.#start(fn);
    member.isTaken = true;
    // The last in order is the one that ran last.
    this.#members.delete(member.environment);
    this.#members.set(member.environment, member);
    return member.environment;
  }

  release(environment: Environment): void {
    const member = this.#members.get(environment);
    if (!member) return;
    member.isTaken = false;
    if (member.fn.isDeleted || isOutdated(member)) environment.kill();
  }

  /** Ends those of a function that run nothing; the others end once they are done, if they are outdated. */
  async reapIdle(fn?: LambdaFunction): Promise<number> {
    const idle = [...this.#members.values()].filter((member) => !member.isTaken && (!fn || member.fn === fn));
    for (const { environment } of idle) environment.kill();
    await Promise.all(idle.map(({ environment }) => environment.gone.promise));
    return idle.length;
  }

  list(): { id: string; functionName: string; isBusy: boolean; pid: number; invocations: number }[] {
    return [...this.#members.values()].map(({ environment: { id, isBusy, pid, invocations }, fn }) => {
      return { id, functionName: fn.name, isBusy, pid, invocations };
    });
  }

  find(id: string): Environment | undefined {
    return [...this.#members.keys()].find((environment) => environment.id === id);
  }

  async close(): Promise<void> {
    const all = [...this.#members.keys()];
    for (const environment of all) environment.kill();
    await Promise.all(all.map((environment) => environment.gone.promise));
  }

  #start(fn: LambdaFunction): Member {
    this.#scaling.startEnvironment(fn);
    const version = fn.version();
    const environment = new Environment(version, this.#limits, this.#platform, {
      log: (stream, message) => this.#logs.write(`/aws/lambda/${fn.name}`, stream, message),
      ended: (ended) => this.#members.delete(ended),
    });
    const member = { environment, fn, isTaken: true };
    this.#members.set(environment, member);
    return member;
  }
}

/** It runs code or settings that the function has no longer. */
const isOutdated = ({ fn, environment }: Member): boolean =>
  JSON.stringify(fn.version()) !== JSON.stringify(environment.version);
