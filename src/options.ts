import { UsageError } from "./errors.ts";

/** A pool, as an option: whatever `openPool` returned. */
export interface PoolRef {
  map(fn: never, items: never, options?: CallOptions): unknown;
  close(): Promise<void>;
}

/** Options of one call (`map`, `mapSettled`, `run`); as defaults of a pool they hold for all its calls. */
export interface CallOptions {
  /** Limit for each task in milliseconds, 1…2³¹−1; none by default. A task past it is stopped, infinite loops too. */
  timeoutMs?: number;
  /** How often a task is tried again after its *worker* failed: crashed, out of memory, lost. 0…1000, default 3. */
  retries?: number;
  /**
   * How often a task that *threw* is tried again: a number 0…1000 (default 0), or a predicate
   * `(error, attempt) => boolean` (or a promise of it) with `attempt` counting from 1.
   */
  retryErrors?: number | ((error: unknown, attempt: number) => boolean | Promise<boolean>);
  /** `false`: a task that has started is never started again: no backups, no retry after a crash. Default true. */
  idempotent?: boolean;
  /** A new process for each task. Default false. */
  isolate?: boolean;
  /** Memory limit of a worker in MiB, heap and buffers together: 64…1,048,576 (an empty worker takes some 50); none by default. */
  memoryMb?: number;
  /** Slots that each task takes, 1…1024, default 1: 2 leaves half of the workers idle for a task with threads. */
  cpus?: number;
  /** The most tasks of this call at a time; on a pool, its number of workers. 1…100,000. */
  concurrency?: number;
  /** Tasks an invocation, 1…100,000; by default from the measured time of the tasks (~10 ms worth). */
  batch?: number;
  /** Environment variables for the tasks, over the driver's own. */
  env?: Record<string, string>;
  /** npm packages that the function needs and capture can't see (loaded by a computed name). */
  packages?: string[];
  /** Files that the function reads and capture can't see; relative to the current folder. */
  files?: string[];
  /** Runs the call on another pool. */
  on?: PoolRef;
  /** Starts nothing more once this sum is spent, in US dollars; ≥ 0. Local tasks cost nothing. */
  budgetUsd?: number;
  /** Run the script again and it goes on: outcomes of the same name, function and item are reused. */
  name?: string;
  /** Cancels the call. */
  signal?: AbortSignal;
  /**
   * How long outcomes are kept: `forever` (default; `kinglet clean` removes them); until the pool closes (`job`); or, of a
   * `map` whose results a loop goes over, until that has passed them (`consumed`), so that endless jobs need little disk.
   */
  retain?: "forever" | "job" | "consumed";
}

/** Workers on AWS Lambda (`compute: "aws-lambda"`). */
export interface AwsOptions {
  /** Default: AWS_REGION or AWS_DEFAULT_REGION. */
  region?: string;
  /** Processor of the workers; arm64 (default) costs a fifth less. */
  architecture?: "arm64" | "x64";
  /** Node of the workers, as Lambda names it; default nodejs24.x. */
  runtime?: "nodejs24.x" | "nodejs22.x";
  /** Memory of a worker in MiB, 128…10,240, default 1,769: that of one processor core. */
  memoryMb?: number;
  /** The most memory in MiB that a task gets after it ran out of it, 128…10,240, default 10,240. */
  maxMemoryMb?: number;
  /** How long a worker may be busy with one batch, in seconds, 1…900, default 900: no task can take longer. */
  timeoutS?: number;
  /** Space under /tmp in MiB, 512…10,240, default 512. */
  ephemeralStorageMb?: number;
  /** Role of the workers; by default Kinglet makes one that may use the store and nothing else. */
  roleArn?: string;
  /** Further places that tasks may read, as s3://bucket/prefix; default none. The role that Kinglet makes allows it. */
  read?: string[];
  /** A worker function that is there already; by default Kinglet makes one, named by its content. */
  functionName?: string;
}

export interface PoolOptions extends CallOptions {
  /** Where tasks run: `local` (default) or `aws-lambda`. Environment: KINGLET_COMPUTE. */
  compute?: "local" | "aws-lambda";
  /** Workers on AWS Lambda. */
  aws?: AwsOptions;
  /** Where objects live: a folder, by default `.kinglet`, `s3://bucket/prefix` or `redis://host:port/db?prefix=…`. Environment:
   * KINGLET_STORAGE. */
  storage?: string;
  /** `process` (default): survives any process's crash. `fsync`: power loss too. */
  durability?: "process" | "fsync";
  /** Print the console lines of tasks as they come; default true. */
  logs?: boolean;
}

type Check = (value: unknown) => boolean;
export interface Rule {
  readonly check: Check;
  readonly expected: string;
  /** The value is an object of options with these rules. */
  readonly options?: Record<string, Rule>;
}

/** A rule for whole numbers. */
export const integer = (min: number, max: number): Rule => ({
  check: (v) => Number.isInteger(v) && (v as number) >= min && (v as number) <= max,
  expected: `a whole number from ${withCommas(min)} to ${withCommas(max)}`,
});
/** `toLocaleString` would load ICU, 20 ms of every start. */
function withCommas(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

export const boolean: Rule = { check: (v) => typeof v === "boolean", expected: "true or false" };
const oneOf = (...words: string[]): Rule => ({
  check: (v) => words.includes(v as string),
  expected: words.map((w) => JSON.stringify(w)).join(" or "),
});
const stringList: Rule = {
  check: (v) => Array.isArray(v) && v.every((s) => typeof s === "string" && s.length > 0),
  expected: "a list of non-empty strings",
};

const CALL_RULES: Record<keyof CallOptions, Rule> = {
  timeoutMs: integer(1, 2_147_483_647),
  retries: integer(0, 1000),
  retryErrors: {
    check: (v) => typeof v === "function" || integer(0, 1000).check(v),
    expected: "a whole number from 0 to 1,000, or a function (error, attempt) => boolean",
  },
  idempotent: boolean,
  isolate: boolean,
  memoryMb: integer(64, 1_048_576),
  cpus: integer(1, 1024),
  concurrency: integer(1, 100_000),
  batch: integer(1, 100_000),
  env: {
    check: (v) =>
      isPlainObject(v) && Object.entries(v).every(([k, s]) => typeof s === "string" && /^[^=\0]+$/.test(k)),
    expected: 'an object of strings, such as { LOG_LEVEL: "debug" }',
  },
  packages: stringList,
  files: stringList,
  on: {
    check: (v) => typeof v === "object" && v !== null && typeof (v as { map?: unknown }).map === "function",
    expected: "a pool made by openPool()",
  },
  budgetUsd: { check: (v) => typeof v === "number" && v >= 0, expected: "a number of US dollars, 0 or more" },
  name: {
    check: (v) => typeof v === "string" && /^[\w .:@-]{1,100}$/.test(v),
    expected: "1 to 100 letters, digits, spaces or . : @ _ -",
  },
  signal: { check: (v) => v instanceof AbortSignal, expected: "an AbortSignal" },
  retain: oneOf("forever", "job", "consumed"),
};

const AWS_RULES: Record<keyof AwsOptions, Rule> = {
  region: {
    check: (v) => typeof v === "string" && /^[a-z]{2,}(-[a-z]+)+-\d+$/.test(v),
    expected: 'the name of a region, such as "eu-west-1"',
  },
  architecture: oneOf("arm64", "x64"),
  runtime: oneOf("nodejs24.x", "nodejs22.x"),
  memoryMb: integer(128, 10_240),
  maxMemoryMb: integer(128, 10_240),
  timeoutS: integer(1, 900),
  ephemeralStorageMb: integer(512, 10_240),
  roleArn: {
    check: (v) => typeof v === "string" && /^arn:[\w-]+:iam::\d{12}:role\/.+$/.test(v),
    expected: 'the ARN of a role, such as "arn:aws:iam::123456789012:role/kinglet-worker"',
  },
  read: {
    check: (v) => Array.isArray(v) && v.every((s) => typeof s === "string" && /^s3:\/\/[^/]+/.test(s)),
    expected: 'a list of places such as "s3://bucket/prefix"',
  },
  functionName: {
    check: (v) => typeof v === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(v),
    expected: "1 to 64 letters, digits, - or _",
  },
};

const POOL_RULES: Record<keyof PoolOptions, Rule> = {
  ...CALL_RULES,
  compute: oneOf("local", "aws-lambda"),
  aws: {
    check: isPlainObject,
    expected: 'an object of options, such as { region: "eu-west-1" }',
    options: AWS_RULES,
  },
  storage: {
    check: (v) => typeof v === "string" && v.length > 0,
    expected: "the path of a folder, s3://bucket/prefix or redis://host:6379/0",
  },
  durability: oneOf("process", "fsync"),
  logs: boolean,
};
// A job's name and signal belong to one call; a pool-wide one would make every call the same job.
const { name: _name, signal: _signal, on: _on, ...POOL_ONLY_RULES } = POOL_RULES;

/** @throws UsageError BAD_OPTION or UNKNOWN_OPTION naming the option, its value, the range and what to do */
export function checkCallOptions(options: unknown, where: string): CallOptions {
  const checked = checkOptions(options, CALL_RULES, where) as CallOptions;
  if (checked.name !== undefined && checked.retain === "consumed") throw nameNeedsOutcomes(where);
  return checked;
}

const nameNeedsOutcomes = (where: string): UsageError =>
  new UsageError(
    "BAD_OPTION",
    `${where}: options name and retain: "consumed" don't go together: a rerun by name needs the outcomes that this deletes`,
    { remedy: "Leave out one of them.", details: { option: "retain" } },
  );

/** As checkCallOptions, for `openPool`, `pool.with` and `defineConfig`; `where` names the source. */
export function checkPoolOptions(options: unknown, where: string): PoolOptions {
  return checkOptions(options, POOL_ONLY_RULES, where) as PoolOptions;
}

/** As checkCallOptions, for options with rules of their own. */
export function checkOptions(
  options: unknown,
  rules: Record<string, Rule>,
  where: string,
  /** Of an option's own options: its name and a dot. */
  prefix = "",
): object {
  if (options === undefined) return {};
  if (!isPlainObject(options)) {
    throw new UsageError("BAD_ARGUMENT", `${where}: the options are ${show(options)}, not an object`, {
      remedy: `Write them as { ${Object.keys(rules)[0]}: 1000 }.`,
    });
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const name = prefix + key;
    const rule = rules[key];
    if (!rule) throw unknownOption(where, key, rules, prefix);
    if (!rule.check(value)) {
      throw new UsageError(
        "BAD_OPTION",
        `${where}: option ${name} is ${show(value)}; expected ${rule.expected}`,
        {
          remedy: `Set ${name} to ${rule.expected}, or leave it out.`,
          details: { option: name },
        },
      );
    }
    if (rule.options) checkOptions(value, rule.options, where, `${name}.`);
  }
  return options;
}

function unknownOption(where: string, name: string, rules: Record<string, Rule>, prefix: string): UsageError {
  const known = Object.keys(rules);
  const near = known.find((k) => distance(k.toLowerCase(), name.toLowerCase()) <= 2);
  const remedy = near
    ? `Did you mean ${prefix}${near}?`
    : `Known options: ${known.map((k) => prefix + k).join(", ")}.`;
  return new UsageError("UNKNOWN_OPTION", `${where}: there is no option ${JSON.stringify(prefix + name)}`, {
    remedy,
    details: { option: prefix + name },
  });
}

/** Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

export function isPlainObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && [Object.prototype, null].includes(Object.getPrototypeOf(v));
}

/** A value for a message, short. */
export function show(value: unknown): string {
  if (typeof value === "function") return `the function ${value.name || "(anonymous)"}`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol" || typeof value === "number" || value === undefined) return String(value);
  if (typeof value === "object" && value !== null && !isPlainObject(value) && !Array.isArray(value)) {
    return `a ${value.constructor?.name ?? "object"}`;
  }
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
