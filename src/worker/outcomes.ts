import type { Codec } from "../codec/contract.ts";
import type { OutcomeReport } from "../compute/contract.ts";
import { CaptureError, KingletError, UnserializableError } from "../errors.ts";
import type { OutcomeLocation } from "../job/contract.ts";
import {
  ENTRY_THREW,
  ENTRY_UNSERIALIZABLE,
  ENTRY_VALUE,
  type EntryKind,
  RunBuilder,
} from "../job/entries.ts";
import { type JobRef, OBJECT_THRESHOLD_BYTES, objectThresholdBytes } from "../job/keys.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { ProposalLogs } from "./proposal-logs.ts";
import type { Steps } from "./steps.ts";

/** An outcome as bytes, before it is known whether it becomes an object of its own. */
export interface EncodedOutcome {
  readonly kind: EntryKind;
  readonly chunks: readonly Uint8Array[];
}

/** What a task returned. Never throws: what has no representation becomes ENTRY_UNSERIALIZABLE. */
export function encodeResult(codec: Codec, result: unknown): EncodedOutcome {
  try {
    return { kind: ENTRY_VALUE, chunks: codec.encode(result, "result") };
  } catch (error) {
    const reported =
      error instanceof UnserializableError || error instanceof CaptureError ? error : unreadableResult(error);
    return { kind: ENTRY_UNSERIALIZABLE, chunks: encodeThrown(codec, reported) };
  }
}

const unreadableResult = (cause: unknown): UnserializableError =>
  new UnserializableError(`the result could not be encoded: ${describe(cause)}`, {
    cause,
    details: { path: "result" },
    remedy: "A getter or toJSON of the result may have thrown: return plain data.",
  });

/** What a task threw, a non-Error kept as it is. Never throws. */
export function encodeThrown(codec: Codec, thrown: unknown): Uint8Array[] {
  try {
    return codec.encode(thrown, "error");
  } catch (problem) {
    return codec.encode(plainCopyOf(thrown, problem), "error");
  }
}

/** Where an error holds what can't travel (a socket, a request), its essentials travel alone. */
function plainCopyOf(thrown: unknown, problem: unknown): Error {
  const note = `(the thrown value itself could not be sent: ${describe(problem)})`;
  if (!(thrown instanceof Error)) return new Error(`${describe(thrown)} ${note}`);
  const copy = new Error(`${thrown.message} ${note}`);
  copy.name = thrown.name;
  if (typeof thrown.stack === "string") copy.stack = thrown.stack;
  const code: unknown = (thrown as { code?: unknown }).code;
  if (typeof code === "string" || typeof code === "number") Object.assign(copy, { code });
  return copy;
}

/** A thrown value in one line; never throws. */
export function describe(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    return "a value that can't be printed";
  }
}

/** Shorter outcomes go into the log in one write per batch; from here on they don't wait for it. */
const FLUSH_BODY_BYTES = 256 * 1024;
/** An outcome waits at most this long for its batch mates: a straggler must not take them down. */
export const FLUSH_AFTER_MS = 20;

export interface OutcomeSink {
  readonly logs: ProposalLogs;
  /** The outcomes are in the store, or in the report. `isLast`: the attempt's end follows at once. */
  progressed(report: OutcomeReport, isLast: boolean): void;
}

export interface OutcomeOptions {
  readonly journalPrefix: string;
  readonly logId: string | undefined;
  readonly job: JobRef;
  readonly attempt: number;
  readonly sync: boolean;
  readonly flushEachTask: boolean;
  /** Runs up to this length aren't written: the report brings them to the driver, which keeps them. */
  readonly inlineBytes: number;
}

/** Collects the outcomes of consecutive tasks and writes them to the worker's log, or reports them alone, many at a time. */
export class OutcomeWriter {
  /** Why a flush has failed. */
  failure: unknown;
  readonly #options: OutcomeOptions;
  readonly #sink: OutcomeSink;
  #run: RunBuilder | undefined;
  /** Index of the first outcome that is not written yet. */
  #first: number;
  #sinceMs: number;

  constructor(options: OutcomeOptions, sink: OutcomeSink, first: number, nowMs: number) {
    this.#options = options;
    this.#sink = sink;
    this.#first = first;
    this.#sinceMs = nowMs;
  }

  add(outcome: EncodedOutcome): void {
    this.#run ??= this.#newRun();
    this.#run.add(outcome.kind, outcome.chunks);
  }

  /** Outcomes that are not written yet. */
  get pending(): number {
    return this.#run?.count ?? 0;
  }

  isDue(nowMs: number): boolean {
    if (!this.#run) return false;
    return (
      this.#options.flushEachTask ||
      nowMs - this.#sinceMs > FLUSH_AFTER_MS ||
      // What isn't inline is written in pieces that are worth a request.
      this.#run.bodyBytes > Math.max(FLUSH_BODY_BYTES, 4 * this.#options.inlineBytes)
    );
  }

  /** Writes what is pending as one frame, or nothing, and reports it. @throws StoreError; the log isn't used again then */
  *flush(nowMs: number, isLast: boolean): Steps<void> {
    const pending = this.#run;
    if (!pending) return;
    if (pending.sizeBytes <= this.#options.inlineBytes) {
      const chunks = pending.finish();
      const run = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      this.#report(pending, undefined, run, nowMs, isLast);
      return;
    }
    const { frame, run } = pending.finishFrame();
    let location: OutcomeLocation;
    try {
      location = yield* this.#append(frame);
    } catch (error) {
      this.#sink.logs.abandon(this.#options.journalPrefix, this.#options.logId);
      this.failure = error;
      throw error;
    }
    this.#report(pending, location, run, nowMs, isLast);
  }

  #report(
    pending: RunBuilder,
    location: OutcomeLocation | undefined,
    run: Uint8Array,
    nowMs: number,
    isLast: boolean,
  ): void {
    const report: OutcomeReport = {
      location,
      first: this.#first,
      count: pending.count,
      run,
      busyMs: nowMs - this.#sinceMs,
    };
    this.#run = undefined;
    this.#first += pending.count;
    this.#sinceMs = nowMs;
    this.#sink.progressed(report, isLast);
  }

  *#append(frame: readonly Uint8Array[]): Steps<OutcomeLocation> {
    const { journalPrefix, logId, sync } = this.#options;
    const opened = this.#sink.logs.of(journalPrefix, logId);
    const { writer } = opened instanceof Promise ? ((yield opened) as Awaited<typeof opened>) : opened;
    const appended = writer.append(frame);
    const place = appended instanceof Promise ? ((yield appended) as Awaited<typeof appended>) : appended;
    const synced = sync ? writer.sync() : undefined;
    if (synced instanceof Promise) yield synced;
    let lengthBytes = 0;
    for (const chunk of frame) lengthBytes += chunk.length;
    return { log: place.key.slice(journalPrefix.length), offsetBytes: place.offsetBytes, lengthBytes };
  }

  #newRun(): RunBuilder {
    const { job, attempt } = this.#options;
    return new RunBuilder({ jobNumber: job.number, attempt, first: this.#first });
  }
}

/** Whether an outcome of this size is stored as an object of its own in that store. */
export function isBig(outcome: EncodedOutcome, store: ObjectStore): boolean {
  let sizeBytes = 0;
  for (const chunk of outcome.chunks) sizeBytes += chunk.length;
  return sizeBytes >= OBJECT_THRESHOLD_BYTES && sizeBytes >= objectThresholdBytes(store);
}

export const thrownOutcome = (codec: Codec, thrown: unknown): EncodedOutcome => ({
  kind: ENTRY_THREW,
  chunks: encodeThrown(codec, thrown),
});

/** Whether a failure of the store may pass, so that another attempt makes sense. */
export const mayPass = (error: unknown): boolean =>
  error instanceof KingletError && error.code === "STORE_UNAVAILABLE";
