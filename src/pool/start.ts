import type { Journal } from "../job/journal.ts";
import { type JobRef, jobId, journalPrefix } from "../job/keys.ts";
import type { JobMeta } from "../job/records.ts";
import { chain } from "../maybe.ts";
import { emit, observed } from "../observers.ts";
import type { CallOptions } from "../options.ts";
import type { JobInput } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import { JobCore } from "./job-core.ts";
import { type Call, cancelled, endJob, jobSpec } from "./job-spec.ts";
import type { OutcomeReader } from "./outcomes.ts";
import { ConsumedRetention } from "./retention.ts";
import type { Session } from "./session.ts";

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
  core.isSparing = call.options.retain === "consumed" && call.kind !== "run";
  core.code = session.code?.forFunction(call.captured.bytes, call.options, call.base);
  const input = makeInput(core, ref);
  core.total = input.knownLength;
  session.enter(core);
  if (observed()) announce(core, call, session);
  watchCancellation(core, call.options.signal);
  const submit = (opened: Journal) => {
    if (core.ending) return; // cancelled before it began
    const code = core.code?.reference;
    const opening = [new JobRecord(ref, call, code, session)];
    const functionHash = call.captured.hash;
    const parts = { session, core, ref, journal: opened, call, functionHash, code, input, opening };
    if (core.isSparing) {
      const { job: meta } = opening[0]!;
      core.retention = new ConsumedRetention({ core, journal: opened, input, meta });
    }
    core.running = session.scheduler.submit(jobSpec(parts));
  };
  try {
    const opened = chain(readyFor(session, call, core), journal);
    const submitted = chain(opened, submit);
    if (submitted instanceof Promise)
      submitted.catch((error) => endJob(session, core, { status: "failed", error }));
  } catch (error) {
    endJob(session, core, { status: "failed", error });
  }
  return core;
}

/** The lease, the function and its code are stored at the same time, before the job's first record. */
function readyFor(session: Session, { captured }: Call, { code }: JobCore): MaybePromise<void> {
  const ready = session.ready();
  const stored = session.storeFunction(captured);
  const packaged = code?.ready();
  if (!(ready instanceof Promise) && !(stored instanceof Promise) && !packaged) return;
  return Promise.all([ready, stored, packaged]).then(() => {});
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

type SameForCalls = Omit<JobMeta, "number" | "createdMs">;

/** What the records of calls of the same function have in common, and its JSON: that of the last call. */
let lastMeta:
  | {
      readonly call: Call;
      readonly code: string | undefined;
      readonly same: SameForCalls;
      readonly rest: Uint8Array;
    }
  | undefined;

/** A job's own record. What it says is made as JSON at once, and as an object only for who asks. */
class JobRecord {
  readonly type = "job";
  readonly json: { readonly begin: string; readonly rest: Uint8Array };
  readonly #number: number;
  readonly #createdMs: number;
  readonly #same: SameForCalls;

  constructor({ number }: JobRef, call: Call, code: string | undefined, session: Session) {
    if (!lastMeta || !isLike(call, lastMeta.call) || code !== lastMeta.code) {
      const same = sameForCalls(call, code);
      lastMeta = { call, code, same, rest: Buffer.from(JSON.stringify(same).slice(1)) };
    }
    const createdMs = session.clock.nowMs();
    this.#number = number;
    this.#createdMs = createdMs;
    this.#same = lastMeta.same;
    this.json = { begin: `{"number":${number},"createdMs":${createdMs},`, rest: lastMeta.rest };
  }

  get job(): JobMeta {
    return { number: this.#number, createdMs: this.#createdMs, ...this.#same };
  }
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

function sameForCalls({ captured, options, kind, parent }: Call, code: string | undefined): SameForCalls {
  return {
    kind,
    functionHash: captured.hash,
    functionName: captured.name,
    functionLocation: captured.location,
    ...(code === undefined ? {} : { code }),
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
  "retain",
] as const satisfies readonly (keyof CallOptions)[];

/** Those options as JSON; a predicate can't be kept (the resumed job retries no errors). */
function storedOptions(options: CallOptions): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const name of STORED_OPTIONS) if (options[name] !== undefined) kept[name] = options[name];
  if (kept["retain"] !== "consumed") delete kept["retain"]; // whoever resumes a job decides how long it stays
  if (typeof options.retryErrors === "number") kept["retryErrors"] = options.retryErrors;
  return kept;
}
