import type { JobRef, OutcomeLocation } from "../job/contract.ts";

/**
 * A compute backend starts invocations on workers. It knows nothing of jobs, retries or commits: it says what it has
 * (offers), runs what it is told, and says how each attempt ended, with evidence.
 *
 * Obligations, checked by test/conformance/compute.ts:
 * - Every started attempt gets exactly one `ended`, after all of its `progressed`, whatever happens to its worker;
 *   locally within 5 s of the event, or of its timeout.
 * - What `progressed` reports with a location is durable in the store before it is reported. Without one it is nowhere
 *   else: only invocations with `inlineOutcomeBytes` may bring such reports.
 * - `start`, `cancel`, `reply` and `scale` never throw and never block; failures arrive as events.
 * - No event after `close()` has resolved; then no process, thread, timer or lock of the backend is left.
 */
export interface ComputeBackend {
  readonly description: string;
  /** The most slots it can have, but for those lent: `scale` asks for one more while a task waits for a nested job. */
  readonly maxSlots: number;
  /**
   * The machine that the workers run on, where they don't see the files of this one: code, packages and input files
   * then travel by the store. Undefined: workers import modules and open files as the driver does.
   */
  readonly target?: WorkerTarget | undefined;
  /** Memory of a worker, and the most that a task gets which ran out of it; absent: all workers have the same. */
  readonly memory?: { readonly defaultMb: number; readonly maxMb: number };
  /** A task can't run longer; absent: for ever. */
  readonly maxTaskMs?: number;
  /** What workers cost; absent: nothing. */
  readonly prices?: ComputePrices;
  /**
   * A worker whose task waits for a nested job can run an invocation of that job meanwhile (`Invocation.host`). For
   * backends that may have no other worker to run it on.
   */
  readonly takesGuests?: true;

  open(events: ComputeEvents): void;

  /** Wants `slots` slots from now on. Answers with offers and withdrawals, as far and as soon as it can. */
  scale(slots: number): void;

  /**
   * On a slot that is gone (the call crossed its withdrawal) the attempt ends `lost`, with no task started; with a host
   * that is over or waits no more, `revoked`.
   */
  start(invocation: Invocation): void;

  /**
   * `revoke`: drop the attempt if none of its tasks has started (→ ended `revoked`), else leave it be.
   * `abort`: tell the running task (its `ctx.signal`), and stop it by force `graceMs` later (→ ended `cancelled`).
   */
  cancel(attempt: number, how: "revoke" | "abort", graceMs?: number): void;

  /** Answers a `request` of a running task. */
  reply(attempt: number, requestId: number, payload: Uint8Array): void;

  /** Ends everything by force, then resolves. */
  close(): Promise<void>;
}

/** What workers cost, in US dollars. */
export interface ComputePrices {
  /** Which, and as of when: for reports. */
  readonly name: string;
  /** A GiB of a worker's memory for a second. */
  readonly usdPerGbSecond: number;
  /** An invocation. */
  readonly usdPerRequest: number;
}

/** What code for workers elsewhere must fit. */
export interface WorkerTarget {
  /** With glibc. */
  readonly platform: "linux";
  readonly arch: "arm64" | "x64";
  /** Major version of its Node, such as `24`. */
  readonly node: string;
}

/** One try of a batch: consecutive tasks of one job, run one after the other on one slot. */
export interface Invocation {
  /** Unique within the driver, 1…2³²−1. */
  readonly attempt: number;
  readonly slot: string;
  /** It is a guest: runs on the worker of this attempt, beside the task that waits for it; the slot is only a name then. */
  readonly host?: number;
  readonly job: JobRef;
  /** The journal's folder in the store, or that of its generation: proposals go to `<prefix>worker-<workerId>.log`. */
  readonly journalPrefix: string;
  /** Key of the captured function in the store. */
  readonly functionKey: string;
  /** The code package that its modules come from (bundle/contract.ts); undefined: from the worker's own machine. */
  readonly code?: string | undefined;
  /** Id of the log that proposals go to, where it was chosen beforehand; absent: the worker has its own. */
  readonly logId?: string;
  /** Index of the first task. */
  readonly first: number;
  readonly count: number;
  /** The inputs of the tasks: a packed run (job/entries.ts). */
  readonly inputs: Uint8Array;
  readonly options: InvocationOptions;
  /** Index → number of this try, from 2 on, of the tasks that were tried before; the others are tried for the first time. */
  readonly tries?: TaskTries;
}

export type TaskTries = Readonly<Record<number, number>>;

export interface InvocationOptions {
  /** Limit for each task; none if undefined. */
  readonly timeoutMs?: number;
  /** A new process for this invocation (the scheduler then makes batches of one task). */
  readonly isolate?: boolean;
  /** Memory limit of the worker process, heap and buffers together. */
  readonly memoryMb?: number;
  /** Environment variables of the task, over the driver's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Commit each outcome to the log at once rather than once a batch (`idempotent: false`). */
  readonly flushEachTask?: boolean;
  /** `durability: "fsync"`: sync the log before reporting. */
  readonly sync?: boolean;
  /** How many maps this one is nested in. */
  readonly depth?: number;
  /**
   * Outcomes that together are no longer than this come with their report alone: the worker writes nothing, and the
   * driver's own log keeps them. Default 0: the worker writes all.
   */
  readonly inlineOutcomeBytes?: number;
}

export interface ComputeEvents {
  /**
   * A slot is there, or has changed: it runs one attempt at a time and holds `queue` more behind it. Below 0: it takes
   * nothing more, and is withdrawn once its attempts have ended.
   */
  offer(slot: string, queue: number): void;
  /** A slot is gone; all its attempts have ended before. */
  withdrawn(slot: string): void;
  /** Outcomes of consecutive tasks are there. */
  progressed(attempt: number, report: OutcomeReport): void;
  /** `usage`: what it used of what is paid for, where the backend knows. */
  ended(attempt: number, end: AttemptEnd, usage?: AttemptUsage): void;
  /** A line that a task printed. */
  console(line: ConsoleLine): void;
  /** A running task asks its driver something (nested maps); the answer goes through `reply`. */
  request(attempt: number, requestId: number, payload: Uint8Array): void;
}

export interface OutcomeReport {
  /** Where the run lies in the store; undefined: nowhere yet, it is only here. */
  readonly location: OutcomeLocation | undefined;
  readonly first: number;
  readonly count: number;
  /** The packed run itself (job/entries.ts). */
  readonly run: Uint8Array;
  /** Time that the tasks took on the worker, together. */
  readonly busyMs: number;
}

/**
 * How an attempt ended. Tasks without an outcome in `progressed` have none.
 * `startedTask`: index of the task that was running then; undefined where none had started.
 */
export type AttemptEnd =
  | { readonly kind: "ok" }
  | {
      readonly kind:
        | "crashed"
        | "out-of-memory"
        | "timed-out"
        | "lost"
        | "throttled"
        | "cancelled"
        | "revoked";
      readonly startedTask: number | undefined;
      /** Some of its tasks may have started, and nobody knows which: `startedTask` is undefined. */
      readonly mayHaveStarted?: true;
      /** `throttled`: nothing is to be tried again sooner. */
      readonly retryAfterMs?: number;
      /** `exit code 3`, `signal SIGSEGV`, the last lines of stderr, `no outcome within 500 ms`… */
      readonly evidence: string;
    }
  /** The function itself could not be loaded in the worker; no task can run. `error`: codec bytes of the error. */
  | { readonly kind: "unloadable"; readonly error: Uint8Array };

/** What an attempt used of a worker that is paid for by its time. */
export interface AttemptUsage {
  /** Of the worker: it may serve many attempts. */
  readonly worker: string;
  /** It was started for this attempt: how long that took; absent where it was warm. */
  readonly startMs?: number;
  /** As far as the worker itself can tell, the start included where it is billed. */
  readonly billedMs: number;
  readonly memoryMb: number;
}

export interface ConsoleLine {
  readonly attempt: number;
  /** Index of the task that printed it, or undefined where that isn't known. */
  readonly index: number | undefined;
  readonly stream: "stdout" | "stderr";
  /** Without the line break. Not yet stripped of terminal escapes. */
  readonly text: string;
  readonly atMs: number;
}
