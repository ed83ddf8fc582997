import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Credentials, Platform } from "./environment.ts";
import { AwsError, accessDenied } from "./errors.ts";
import { InvokeFaults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import type { LambdaFunction } from "./functions.ts";
import { type Role, Roles } from "./iam.ts";
import { AWS_LIMITS, FUNCTION_NAME, type Limits } from "./limits.ts";
import { CloudWatchLogs } from "./logs.ts";
import { Scaling } from "./scaling.ts";

export interface Caller {
  readonly name: string;
  readonly credentials: Credentials;
}

export interface AccountOptions {
  readonly limits?: Partial<Limits>;
}

/** Lambda and Logs of one account in one region. */
export class Region {
  readonly name: string;
  readonly functions = new Map<string, LambdaFunction>();
  readonly logs: CloudWatchLogs;
  readonly scaling: Scaling;
  readonly fleet: Fleet;

  constructor(name: string, accountId: string, limits: Limits, platform: Platform) {
    this.name = name;
    this.logs = new CloudWatchLogs(`arn:aws:logs:${name}:${accountId}:log-group:`, limits.logIngestionMs);
    this.scaling = new Scaling(limits);
    this.fleet = new Fleet(limits, platform, this.logs, this.scaling);
  }
}

/** One AWS account. Tests that set limits or order faults open their own. */
export class Account {
  readonly id: string;
  readonly limits: Limits;
  readonly roles: Roles;
  readonly faults = new InvokeFaults();
  readonly callers: readonly Caller[];
  readonly folder: string;
  readonly #platform: Platform;
  readonly #regions = new Map<string, Region>();
  /** Actions that callers may not do, by patterns of IAM: `lambda:*`. */
  readonly #denied = new Set<string>();
  #uploads = 0;

  constructor(
    id: string,
    folder: string,
    callers: readonly Caller[],
    platform: Platform,
    options: AccountOptions,
  ) {
    this.id = id;
    this.folder = folder;
    this.callers = callers;
    this.#platform = platform;
    this.limits = { ...AWS_LIMITS, ...options.limits };
    this.roles = new Roles(id, this.limits.rolePropagationMs, callers[0]!.credentials);
    mkdirSync(folder, { recursive: true });
  }

  region(name: string): Region {
    let region = this.#regions.get(name);
    if (!region) {
      region = new Region(name, this.id, this.limits, this.#platform);
      this.#regions.set(name, region);
    }
    return region;
  }

  arnOf(caller: Caller): string {
    return `arn:aws:iam::${this.id}:user/${caller.name}`;
  }

  deny(action: string): void {
    this.#denied.add(action);
  }

  allow(action: string): void {
    this.#denied.delete(action);
  }

  /** @throws AwsError AccessDeniedException */
  authorize(caller: Caller, action: string, resource: string): void {
    const isDenied = [...this.#denied].some((pattern) => matchesAction(pattern, action));
    if (isDenied) throw accessDenied(this.arnOf(caller), action, resource);
  }

  /** @throws AwsError if Lambda can't act as it: there is none, it trusts somebody else, or it is too new */
  roleForLambda(arn: string): Role {
    const role = this.roles.assumable(arn);
    if (!role)
      throw new AwsError(
        "InvalidParameterValueException",
        400,
        "The role defined for the function cannot be assumed by Lambda.",
        { Type: "User" },
      );
    return role;
  }

  /** By a name, a partial ARN or an ARN. @throws AwsError ResourceNotFoundException */
  functionOf(region: Region, named: string): LambdaFunction {
    const [, arnRegion, , name] = FUNCTION_NAME.exec(named) ?? [];
    const fn = (arnRegion ?? region.name) === region.name ? region.functions.get(name ?? "") : undefined;
    if (fn) return fn;
    const arn = this.functionArn(region.name, name ?? named);
    throw new AwsError("ResourceNotFoundException", 404, `Function not found: ${arn}`, { Type: "User" });
  }

  functionArn(region: string, name: string): string {
    return `arn:aws:lambda:${region}:${this.id}:function:${name}`;
  }

  /** A new folder for an upload. */
  uploadFolder(): string {
    this.#uploads += 1;
    return path.join(this.folder, `code-${this.#uploads}`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#regions.values()].map(({ fleet }) => fleet.close()));
  }
}

function matchesAction(pattern: string, action: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${escaped}$`, "i").test(action);
}
