import { keepCompiledScriptsSoon } from "../built-scripts.ts";
import type { CapturedFunction } from "../capture/contract.ts";
import { KingletError, TaskError } from "../errors.ts";
import { harmless } from "../harmless-text.ts";
import type { Entry, Run } from "../job/entries.ts";
import type { FrameLocation, Journal } from "../job/journal.ts";
import { functionKey, type JobRef, OBJECT_THRESHOLD_BYTES } from "../job/keys.ts";
import type { JobKind, JournalRecord } from "../job/records.ts";
import { chain } from "../maybe.ts";
import { emit, observed } from "../observers.ts";
import type { CallOptions, PoolOptions } from "../options.ts";
import type {
  AdoptedOutcomes,
  JobEnd,
  JobInput,
  JobSpec,
  NestedRequest,
  SettledTasks,
  TaskOptions,
} from "../scheduler/contract.ts";
import type { JobEvent } from "../scheduler/events.ts";
import type { MaybePromise } from "../storage/contract.ts";
import type { PoolJobCode } from "./job-code.ts";
import type { JobCore, JobEnding } from "./job-core.ts";
import { readOutcome } from "./outcomes.ts";
import type { Session } from "./session.ts";

/** What a call is, once its arguments are known to be good. */
export interface Call {
  readonly kind: JobKind;
  readonly captured: CapturedFunction;
  readonly options: PoolOptions;
  /** How many maps it is nested in. */
  readonly depth: number;
  readonly parent?: string;
  /** The attempt whose task asked for it. */
  readonly parentAttempt?: number;
  /** Of a nested map: the code of the task that asked for it. */
  readonly base?: PoolJobCode | undefined;
}

export interface SpecParts {
  readonly session: Session;
  readonly core: JobCore;
  readonly ref: JobRef;
  readonly journal: Journal;
  readonly call: Pick<Call, "kind" | "options" | "depth" | "parentAttempt">;
  readonly functionHash: string;
  /** Its code package, where workers don't see this machine's files. */
  readonly code?: string | undefined;
  readonly input: JobInput;
  /** The job's own record, of a new job. */
  readonly opening?: readonly JournalRecord[];
  /** What there is of a job that is resumed. */
  readonly settled?: SettledTasks;
  readonly adopted?: readonly AdoptedOutcomes[];
}

/** What the scheduler must know of a job, a new one or one that is resumed. */
export const jobSpec = (parts: SpecParts): JobSpec => new PoolJobSpec(parts);

/** A class, since an object of many functions would cost each call of `pool.run` dearly. */
class PoolJobSpec implements JobSpec {
  readonly ref: JobRef;
  readonly journal: Journal;
  readonly functionKey: string;
  declare readonly code?: string;
  readonly options: TaskOptions;
  readonly stopOnFailure: boolean;
  readonly storeMs: number;
  readonly input: JobInput;
  declare readonly opening?: readonly JournalRecord[];
  declare readonly settled?: SettledTasks;
  declare readonly adopted?: readonly AdoptedOutcomes[];
  declare readonly shouldRetry?: NonNullable<JobSpec["shouldRetry"]>;
  readonly isWatched = observed;
  readonly #session: Session;
  readonly #core: JobCore;
  readonly #call: SpecParts["call"];
  /** Who resumes a job doesn't decide that it goes. */
  readonly #isResumed: boolean;

  constructor(parts: SpecParts) {
    const { session, core, ref, journal, call, functionHash, input } = parts;
    this.#session = session;
    this.#core = core;
    this.#call = call;
    this.#isResumed = parts.settled !== undefined;
    this.ref = ref;
    this.journal = journal;
    this.functionKey = functionKey(functionHash);
    if (parts.code !== undefined) this.code = parts.code;
    this.options = taskOptions(session, call);
    this.stopOnFailure = call.kind !== "mapSettled";
    this.storeMs = session.storeMs;
    this.input = input;
    if (parts.opening) this.opening = parts.opening;
    if (parts.settled) this.settled = parts.settled;
    if (parts.adopted) this.adopted = parts.adopted;
    const { retryErrors } = call.options;
    if (retryErrors) this.shouldRetry = retryRule(core, retryErrors);
  }

  onOutcomes(run: Run, first: number, count: number, location: FrameLocation, skipBytes: 0 | 1): void {
    this.#core.committed(run, first, count, location, skipBytes);
  }

  onEvent(event: JobEvent): void {
    const core = this.#core;
    const session = this.#session;
    if (observed()) emit({ kind: "job", jobId: core.id, event });
    // A display that shares the terminal sees to it that lines stand above it.
    if (event.kind === "console" && (this.#call.options.logs ?? session.logs)) printLine(core, event);
    if (event.kind === "attempt-ended") {
      for (const nested of session.nested.get(event.attempt) ?? [])
        void nested.cancel("the task that asked for it ended");
    }
  }

  onRequest(request: NestedRequest): void {
    this.#session.onRequest?.(request, this.#core, this.#call.depth);
  }

  onEnded(end: JobEnd): void {
    const session = this.#session;
    const { journal, ref } = this;
    const { retain = "forever" } = this.#call.options;
    session.retain(journal, retain === "forever" || this.#isResumed || end.state === "released");
    if (end.state === "broken" || end.state === "fenced") session.abandonJournal(journal);
    if (ref.number === 0) session.closeJournal(journal).catch(() => {});
    endJob(session, this.#core, endingOf(this.#core, end));
  }
}

const REMOTE_INLINE_BYTES = 256 * 1024;

function taskOptions(
  session: Session,
  { kind, options, depth, parentAttempt }: SpecParts["call"],
): TaskOptions {
  const {
    budgetUsd,
    timeoutMs,
    retries,
    idempotent,
    isolate,
    memoryMb,
    env,
    batch,
    concurrency,
    cpus = 1,
  } = options;
  const bySlots = cpus > 1 ? Math.max(1, Math.floor(session.slots / cpus)) : Number.POSITIVE_INFINITY;
  const limit = Math.min(concurrency ?? Number.POSITIVE_INFINITY, bySlots);
  const given: { -readonly [K in keyof TaskOptions]: TaskOptions[K] } = {};
  if (timeoutMs !== undefined) given.timeoutMs = timeoutMs;
  if (retries !== undefined) given.retries = retries;
  if (budgetUsd !== undefined) given.budgetUsd = budgetUsd;
  if (idempotent !== undefined) given.idempotent = idempotent;
  if (isolate !== undefined) given.isolate = isolate;
  if (memoryMb !== undefined) given.memoryMb = memoryMb;
  if (env !== undefined) given.env = env;
  if (batch !== undefined) given.batch = batch;
  if (Number.isFinite(limit)) given.concurrency = limit;
  if (session.sync) given.sync = true;
  if (depth) given.depth = depth;
  if (parentAttempt !== undefined) given.parent = parentAttempt;
  // The batches of a map are written by many workers at once; a single task is done sooner with one write, and so is
  // what many workers would each make a request for.
  if (session.isRemote) given.inlineOutcomeBytes = REMOTE_INLINE_BYTES;
  else if (kind === "run") given.inlineOutcomeBytes = OBJECT_THRESHOLD_BYTES;
  return given;
}

/** A task's console line, as it comes: `[k3f9x2 task 7] text`. */
function printLine(
  core: JobCore,
  line: { index: number | undefined; stream: "stdout" | "stderr"; text: string },
): void {
  const task = line.index === undefined ? "" : ` task ${line.index}`;
  process[line.stream].write(`[${shortId(core.id)}${task}] ${harmless(line.text)}\n`);
}

/** The random part of an id, and the number of a run: enough to tell jobs apart on a screen. */
const shortId = (id: string): string => id.slice(id.lastIndexOf("-") + 1);

function retryRule(
  core: JobCore,
  rule: NonNullable<CallOptions["retryErrors"]>,
): NonNullable<JobSpec["shouldRetry"]> {
  return (entry: Entry, index: number, attempt: number): MaybePromise<boolean> => {
    if (typeof rule === "number") return attempt <= rule;
    return chain(readOutcome(core.reader, entry, index), (outcome) =>
      outcome.ok ? false : chain(rule(outcome.error, attempt) as MaybePromise<boolean>, Boolean),
    );
  };
}

function endingOf(core: JobCore, end: JobEnd): JobEnding {
  switch (end.state) {
    case "done":
      return { status: "done" };
    case "cancelled":
      return { status: "cancelled", error: cancelled(core.id, end.reason ?? "by the program") };
    case "failed":
      return {
        status: "failed",
        ...(end.failedIndex !== undefined ? { failedIndex: end.failedIndex } : {}),
        ...(end.error !== undefined ? { error: end.error } : {}),
      };
    case "released":
      return end.error === undefined ? { status: "detached" } : { status: "failed", error: end.error };
    case "fenced":
      return { status: "failed", error: fenced(core.id) };
    default:
      return { status: "failed", error: end.error };
  }
}

export const cancelled = (id: string, reason: string): TaskError =>
  new TaskError("CANCELLED", `job ${id} was cancelled: ${reason}`, { details: { jobId: id } });

const fenced = (id: string): KingletError =>
  new KingletError("JOB_LED_ELSEWHERE", `job ${id} was taken over by another process`, {
    remedy: `Follow it with pool.attach("${id}").`,
    details: { jobId: id },
  });

export function endJob(session: Session, core: JobCore, ending: JobEnding): void {
  if (session.leaving && ending.status === "detached") return;
  core.storage = session.storageCost.take();
  core.end(ending);
  session.leave(core);
  keepCompiledScriptsSoon();
  if (ending.status === "failed") session.failures.push(core);
  if (!observed()) return;
  emit({
    kind: "job-ended",
    jobId: core.id,
    atMs: session.clock.nowMs(),
    state: ending.status,
    tasks: core.table.committed,
    failed: core.running?.counts.failed ?? 0,
    ...(core.cost.usd > 0 ? { cost: core.cost } : {}),
  });
}
