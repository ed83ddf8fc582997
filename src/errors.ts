/**
 * Every error that Kinglet itself raises. Each says what was done, the value, what was expected and what to
 * do about it; each carries a stable `code`, which programs may test (messages may be reworded).
 */

/** Stable names of what can go wrong. Add here, and to the table in docs/operations.md. */
export type ErrorCode =
  // the call
  | "BAD_ARGUMENT"
  | "BAD_OPTION"
  | "UNKNOWN_OPTION"
  | "BAD_CONFIG"
  | "CAPTURE"
  | "UNSERIALIZABLE"
  // storage
  | "STORE_UNWRITABLE"
  | "STORE_FULL"
  | "STORE_CORRUPT"
  | "STORE_VERSION"
  | "STORE_REFUSED"
  | "STORE_UNAVAILABLE"
  | "NOT_FOUND"
  | "BAD_KEY"
  | "INPUT_CHANGED"
  // the compute backend
  | "COMPUTE_REFUSED"
  | "COMPUTE_UNAVAILABLE"
  | "VERSION_MISMATCH"
  // how an attempt or a task ended
  | "CRASHED"
  | "OUT_OF_MEMORY"
  | "TIMED_OUT"
  | "LOST"
  | "THROTTLED"
  | "CANCELLED"
  | "UPSTREAM_FAILED"
  | "NEVER_SETTLES"
  // jobs and drivers
  | "JOB_NOT_FOUND"
  | "JOB_LED_ELSEWHERE"
  | "INPUT_INCOMPLETE"
  | "CONSUMED"
  | "POOL_CLOSED"
  | "TOO_DEEP"
  | "BUDGET_SPENT"
  | "NODE_TOO_OLD"
  | "INTERNAL";

export interface KingletErrorOptions {
  /** The error beneath, if any. */
  cause?: unknown;
  /** What to do about it, one sentence. Printed on a line of its own. */
  remedy?: string;
  /** Facts for programs: `{ option, path, index, key, … }`. Become properties of the error. */
  details?: Record<string, unknown>;
}

/**
 * Base class of Kinglet's own errors. An error thrown by a *task* reaches the user as its own class instead.
 *
 * @example
 * try { await pool.map(fn, items) } catch (error) {
 *   if (error instanceof KingletError && error.code === "TIMED_OUT") …
 * }
 */
export class KingletError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: KingletErrorOptions = {}) {
    super(options.remedy ? `${message}\n    ${options.remedy}` : message, { cause: options.cause });
    if (options.cause === undefined) delete (this as { cause?: unknown }).cause;
    this.name = new.target.name;
    this.code = code;
    this.remedy = options.remedy;
    Object.assign(this, options.details);
  }
}

/** A function can't be captured: names the variable, its path, who captured it, and what to do. */
export class CaptureError extends KingletError {
  /** The captured variable at fault, e.g. `db`. */
  declare readonly variable: string | undefined;
  /** The whole way to the value, e.g. `db.pool.conn`. */
  declare readonly path: string | undefined;

  constructor(message: string, options: KingletErrorOptions = {}) {
    super("CAPTURE", message, options);
  }
}

/** An item, result or captured value has no representation; `path` says where, e.g. `result.rows[3].socket`. */
export class UnserializableError extends KingletError {
  declare readonly path: string;

  constructor(message: string, options: KingletErrorOptions = {}) {
    super("UNSERIALIZABLE", message, options);
  }
}

/** A call, an option or the configuration is wrong. Nothing was started. */
export class UsageError extends KingletError {}

/** The store can't be used, or what it holds is damaged. `key` names the object where one is concerned. */
export class StoreError extends KingletError {
  declare readonly key: string | undefined;
}

/** A task, or an attempt of it, did not end by returning or throwing: it crashed, timed out, was cancelled, … */
export class TaskError extends KingletError {
  /** Index of the task's item in its job's input. */
  declare readonly index: number | undefined;
  /** Id of the job. */
  declare readonly jobId: string | undefined;
  /** How many attempts were charged. */
  declare readonly attempts: number | undefined;
  /** Evidence: `exit code 3`, `signal SIGSEGV`, the worker's last lines on stderr, … */
  declare readonly evidence: string | undefined;
}
