import type { CapturedFunction } from "../capture/contract.ts";

import { KingletError, TaskError } from "../errors.ts";
import { harmless } from "../harmless-text.ts";
import type { Entry } from "../job/entries.ts";
import type { Journal } from "../job/journal.ts";
import { functionKey, type JobRef, jobId, journalPrefix, OBJECT_THRESHOLD_BYTES } from "../job/keys.ts";
import type { JobKind, JobMeta, JournalRecord } from "../job/records.ts";
import { chain } from "../maybe.ts";
import { emit, observed } from "../observers.ts";
import type { CallOptions, PoolOptions } from "../options.ts";
import type { JobEnd, JobInput, JobSpec, NestedRequest, TaskOptions } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import { JobCore, type JobEnding } from "./job-handle.ts";
import { type OutcomeReader, readOutcome } from "./outcomes.ts";
import type { Session } from "./session.ts";

/** What a call is, once its arguments are known to be good. */
export interface Call {
  readonly kind: JobKind;
  readonly captured: CapturedFunction;
  readonly options: PoolOptions;
  /** How many maps it is nested in. */
  readonly depth: number;
  readonly parent?: string;
}

/** Makes the job's core and starts it: `input` is made with the core, so that a bad item throws before anything runs. */
export function startJob(
  session: Session,
  call: Call,
  makeInput: (core: JobCore, ref: JobRef) => JobInput,
  makeRef: () => { ref: JobRef; journal: () => MaybePromise<Journal> },
): JobCore {
  const { ref, journal } = makeRef();
  const id = jobId(ref);
  const reader: OutcomeReader = { codec: session.codec, store: session.store, jobId: id };
  const core = new JobCore(id, call.kind, reader, journalPrefix(ref.journalId));
  const input = makeInput(core, ref);
  core.total = input.knownLength;
  session.enter(core);
  if (observed()) announce(core, call, session);
  watchCancellation(core, call.options.signal);
  const submit = (opened: Journal) => {
    if (core.ending) return; // cancelled before it began
    const parts = { session, core, ref, journal: opened, call, functionHash: call.captured.hash, input };
    core.running = session.scheduler.submit(jobSpec(parts, [jobRecord(ref, call, session)]));
  };
  try {
    const opened = chain(readyFor(session, call), journal);
    const submitted = chain(opened, submit);
    if (submitted instanceof Promise)
      submitted.catch((error) => endJob(session, core, { status: "failed", error }));
  } catch (error) {
    endJob(session, core, { status: "failed", error });
  }
  return core;
}

/** The lease and the function are stored at the same time, before the job's first record. */
function readyFor(session: Session, { captured }: Call): MaybePromise<void> {
  const ready = session.ready();
  const stored = session.storeFunction(captured);
  if (!(ready instanceof Promise) && !(stored instanceof Promise)) return;
  return Promise.all([ready, stored]).then(() => {});
}

function announce(core: JobCore, call: Call, session: Session): void {
  emit({
    kind: "job-opened",
    jobId: core.id,
    atMs: session.clock.nowMs(),
    jobKind: call.kind,
    functionName: call.captured.name,
    name: call.options.name,
    total: core.total,
    settled: 0,
    slots: session.slots,
    nested: call.depth > 0,
  });
}

function watchCancellation(core: JobCore, signal: AbortSignal | undefined): void {
  let reason: string | undefined;
  core.onCancel = (why) => {
    reason ??= why;
    if (core.running) core.running.cancel(reason);
    else core.end({ status: "cancelled", error: cancelled(core.id, reason) });
  };
  if (!signal) return;
  const abort = () => core.onCancel?.(`its signal was aborted: ${signal.reason?.message ?? signal.reason}`);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
}

export const cancelled = (id: string, reason: string): TaskError =>
  new TaskError("CANCELLED", `job ${id} was cancelled: ${reason}`, { details: { jobId: id } });

const fenced = (id: string): KingletError =>
  new KingletError("JOB_LED_ELSEWHERE", `job ${id} was taken over by another process`, {
    remedy: `Follow it with pool.attach("${id}").`,
    details: { jobId: id },
  });

type SameForCalls = Omit<JobMeta, "number" | "createdMs">;

/** What the records of calls of the same function have in common, and its JSON: that of the last call. */
let lastMeta: { readonly call: Call; readonly same: SameForCalls; readonly rest: Uint8Array } | undefined;

function jobRecord(ref: JobRef, call: Call, session: Session): Extract<JournalRecord, { type: "job" }> {
  const { number } = ref;
  const createdMs = session.clock.nowMs();
  if (!lastMeta || !isLike(call, lastMeta.call)) {
    const same = sameForCalls(call);
    lastMeta = { call, same, rest: Buffer.from(JSON.stringify(same).slice(1)) };
  }
  const { same, rest } = lastMeta;
  const job = { number, createdMs, ...same };
  return { type: "job", job, json: { begin: `{"number":${number},"createdMs":${createdMs},`, rest } };
}

/** Options given with a call are an object of that call alone; the pool's own never change, but perhaps for `env`. */
function isLike(call: Call, last: Call): boolean {
  return (
    call.captured === last.captured &&
    call.options === last.options &&
    call.kind === last.kind &&
    call.parent === last.parent &&
    call.options.env === undefined
  );
}

function sameForCalls({ captured, options, kind, parent }: Call): SameForCalls {
  return {
    kind,
    functionHash: captured.hash,
    functionName: captured.name,
    functionLocation: captured.location,
    ...(options.name ? { name: options.name } : {}),
    ...(process.argv[1] ? { script: process.argv[1] } : {}),
    ...(parent ? { parent } : {}),
    options: storedOptions(options),
  };
}

/** What a resumed job needs again. */
const STORED_OPTIONS = [
  "timeoutMs",
  "retries",
  "idempotent",
  "isolate",
  "memoryMb",
  "cpus",
  "concurrency",
  "batch",
  "env",
  "budgetUsd",
] as const satisfies readonly (keyof CallOptions)[];

/** Those options as JSON; a predicate can't be kept (the resumed job retries no errors). */
function storedOptions(options: CallOptions): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const name of STORED_OPTIONS) if (options[name] !== undefined) kept[name] = options[name];
  if (typeof options.retryErrors === "number") kept["retryErrors"] = options.retryErrors;
  return kept;
}

export interface SpecParts {
  readonly session: Session;
  readonly core: JobCore;
  readonly ref: JobRef;
  readonly journal: Journal;
  readonly call: Pick<Call, "kind" | "options" | "depth">;
  readonly functionHash: string;
  readonly input: JobInput;
}

const NO_RECORDS: readonly JournalRecord[] = [];

/** What the scheduler must know of a job, a new one or one that is resumed. */
export function jobSpec(parts: SpecParts, opening: readonly JournalRecord[] = NO_RECORDS): JobSpec {
  const { session, core, ref, journal, call, functionHash, input } = parts;
  const { options, depth } = call;
  return {
    ref,
    journal,
    functionKey: functionKey(functionHash),
    options: taskOptions(session, call),
    stopOnFailure: call.kind !== "mapSettled",
    storeMs: session.storeMs,
    input,
    opening,
    ...(options.retryErrors ? { shouldRetry: retryRule(core, options.retryErrors) } : undefined),
    onOutcomes: (run, first, count, location, skipBytes) =>
      core.committed(run, first, count, location, skipBytes),
    onEvent: (event) => {
      if (observed()) emit({ kind: "job", jobId: core.id, event });
      // A display that shares the terminal sees to it that lines stand above it.
      if (event.kind === "console" && (options.logs ?? session.logs)) printLine(core, event);
      if (event.kind === "attempt-ended") {
        for (const nested of session.nested.get(event.attempt) ?? [])
          void nested.cancel("the task that asked for it ended");
      }
    },
    isWatched: observed,
    onRequest: (request: NestedRequest) => session.onRequest?.(request, core, depth),
    onEnded: (end) => {
      session.retain(journal, options.retain !== "job" || end.state === "released");
      if (end.state === "broken" || end.state === "fenced") session.abandonJournal(journal);
      if (ref.number === 0) session.closeJournal(journal).catch(() => {});
      endJob(session, core, endingOf(core, end));
    },
  };
}

const REMOTE_INLINE_BYTES = 256 * 1024;

function taskOptions(session: Session, { kind, options, depth }: SpecParts["call"]): TaskOptions {
  const { timeoutMs, retries, idempotent, isolate, memoryMb, env, batch, concurrency, cpus = 1 } = options;
  const bySlots = cpus > 1 ? Math.max(1, Math.floor(session.slots / cpus)) : Number.POSITIVE_INFINITY;
  const limit = Math.min(concurrency ?? Number.POSITIVE_INFINITY, bySlots);
  const given: { -readonly [K in keyof TaskOptions]: TaskOptions[K] } = {};
  if (timeoutMs !== undefined) given.timeoutMs = timeoutMs;
  if (retries !== undefined) given.retries = retries;
  if (idempotent !== undefined) given.idempotent = idempotent;
  if (isolate !== undefined) given.isolate = isolate;
  if (memoryMb !== undefined) given.memoryMb = memoryMb;
  if (env !== undefined) given.env = env;
  if (batch !== undefined) given.batch = batch;
  if (Number.isFinite(limit)) given.concurrency = limit;
  if (session.sync) given.sync = true;
  if (depth) given.depth = depth;
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
      return { status: "detached" };
    case "fenced":
      return { status: "failed", error: fenced(core.id) };
    default:
      return { status: "failed", error: end.error };
  }
}

export function endJob(session: Session, core: JobCore, ending: JobEnding): void {
  if (session.leaving && ending.status === "detached") return;
  core.end(ending);
  session.leave(core);
  if (ending.status === "failed") session.failures.push(core);
  if (!observed()) return;
  emit({
    kind: "job-ended",
    jobId: core.id,
    atMs: session.clock.nowMs(),
    state: ending.status,
    tasks: core.table.committed,
    failed: core.running?.counts.failed ?? 0,
  });
}
