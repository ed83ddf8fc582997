import type { Codec } from "../codec/contract.ts";
import { KingletError, TaskError } from "../errors.ts";
import {
  ENTRY_FAILED,
  ENTRY_OBJECT,
  ENTRY_THREW,
  ENTRY_UNSERIALIZABLE,
  ENTRY_VALUE,
  type Entry,
  type FailedOutcome,
  Run,
} from "../job/entries.ts";
import type { CommittedRange } from "../job/fold.ts";
import type { FrameLocation } from "../job/journal.ts";
import { readFrame } from "../job/log-reader.ts";
import { chain } from "../maybe.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";

/** Bytes of outcomes that a job keeps in memory until someone reads them; the rest is read from storage again. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** So many segments are looked through one by one. */
const FEW_SEGMENTS = 8;

/** Committed outcomes of consecutive tasks: a run in a log, perhaps still in memory. */
export interface Segment {
  readonly first: number;
  readonly count: number;
  readonly location: FrameLocation;
  readonly skipBytes: 0 | 1;
  /** How many of them are failures. */
  readonly failed: number;
  /** The run that holds them (it may hold more); undefined where it must be read from storage. */
  run: Run | undefined;
}

/**
 * The committed outcomes of a job, as its driver knows them: where each lies, and the bytes of the recent ones.
 * Segments never overlap, so that the one after `[a, b)` begins at `b`.
 */
export class OutcomeTable {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #inOrderOfTime: Segment[] = [];
  /** How many segments of the past are no longer in that list: those of dropped outcomes. */
  #forgotten = 0;
  /** Once they are many. */
  #byFirst: Map<number, Segment> | undefined;
  #cachedBytes = 0;
  committed = 0;

  constructor(store: ObjectStore, journalPrefix: string) {
    this.#store = store;
    this.#prefix = journalPrefix;
  }

  add(run: Run, first: number, count: number, location: FrameLocation, skipBytes: 0 | 1): Segment {
    const keep = this.#cachedBytes + run.bytes.length <= CACHE_BYTES;
    if (keep) this.#cachedBytes += run.bytes.length;
    const failed = run.countFailed(first, count);
    return this.#insert({ first, count, location, skipBytes, failed, run: keep ? run : undefined });
  }

  /** A range that an earlier driver committed. */
  addStored(range: CommittedRange): Segment {
    const { first, count, location, skipBytes, failed } = range;
    return this.#insert({ first, count, location, skipBytes, failed, run: undefined });
  }

  #insert(segment: Segment): Segment {
    const segments = this.#inOrderOfTime;
    segments.push(segment);
    this.#byFirst?.set(segment.first, segment);
    this.committed += segment.count;
    return segment;
  }

  /** The segment that begins at task `first`, if it is committed. */
  startingAt(first: number): Segment | undefined {
    if (!this.#byFirst && this.#inOrderOfTime.length > FEW_SEGMENTS)
      this.#byFirst = new Map(this.#inOrderOfTime.map((one) => [one.first, one]));
    if (this.#byFirst) return this.#byFirst.get(first);
    for (const segment of this.#inOrderOfTime) if (segment.first === first) return segment;
    return undefined;
  }

  /** The n-th segment in order of commit; "dropped" where that can't be told any more. */
  nth(n: number): Segment | "dropped" | undefined {
    return n < this.#forgotten ? "dropped" : this.#inOrderOfTime[n - this.#forgotten];
  }

  /**
   * Forgets the outcomes of tasks below `index`, which all have one.
   * @param before the index at the last call
   */
  dropBelow(index: number, before: number): void {
    let known = 0;
    const kept: Segment[] = [];
    for (const segment of this.#inOrderOfTime) {
      const end = segment.first + segment.count;
      if (segment.first >= index) {
        kept.push(segment);
        continue;
      }
      known += Math.min(end, index) - segment.first;
      this.#byFirst?.delete(segment.first);
      if (end > index) kept.push({ ...segment, first: index, count: end - index });
      else this.release(segment);
    }
    this.#forgotten += this.#inOrderOfTime.length - kept.length;
    this.#inOrderOfTime = kept;
    this.#byFirst = undefined;
    // Those that nobody told of have their outcome all the same.
    this.committed += index - before - known;
  }

  segments(): readonly Segment[] {
    return this.#inOrderOfTime;
  }

  /** The segment that holds task `index`. */
  holding(index: number): Segment | undefined {
    const exact = this.startingAt(index);
    if (exact) return exact;
    for (const segment of this.#inOrderOfTime) {
      if (index >= segment.first && index < segment.first + segment.count) return segment;
    }
    return undefined;
  }

  /** The run of a segment, from memory or storage. */
  load(segment: Segment): MaybePromise<Run> {
    if (segment.run) return segment.run;
    const { log, offsetBytes, lengthBytes } = segment.location;
    return readFrame(this.#store, this.#prefix + log, offsetBytes, lengthBytes).then(
      (payload) => new Run(payload.subarray(segment.skipBytes)),
    );
  }

  /** Lets go of a segment's bytes: its values have been handed out. */
  release(segment: Segment): void {
    if (segment.run) this.#cachedBytes -= segment.run.bytes.length;
    segment.run = undefined;
  }
}

/** What a task came to: its value, or the error to throw. */
export type Outcome<R> =
  | { readonly ok: true; readonly value: R }
  | { readonly ok: false; readonly error: unknown };

/** Facts about a task, attached (not enumerable) as `error.task` to what it threw. */
export interface TaskFacts {
  readonly jobId: string;
  readonly index: number;
}

export interface OutcomeReader {
  readonly codec: Codec;
  readonly store: ObjectStore;
  readonly jobId: string;
  /** Bytes of objects that outcomes were read from, so far. */
  objectBytes?: number;
}

/** Decodes a task's outcome. A promise only where bytes must be fetched or imports loaded. */
export function readOutcome<R>(reader: OutcomeReader, entry: Entry, index: number): MaybePromise<Outcome<R>> {
  if (entry.kind === ENTRY_VALUE) return chain(reader.codec.decode(entry.body), (value) => ok<R>(value));
  if (entry.kind === ENTRY_OBJECT) {
    const key = Buffer.from(entry.body).toString();
    return reader.store
      .get(key)
      .then((bytes) => {
        reader.objectBytes = (reader.objectBytes ?? 0) + bytes.length;
        return reader.codec.decode(bytes);
      })
      .then((value) => ok<R>(value));
  }
  return chain(readFailure(reader, entry, index), (error) => ({ ok: false as const, error }));
}

const ok = <R>(value: unknown): Outcome<R> => ({ ok: true, value: value as R });

function readFailure(reader: OutcomeReader, entry: Entry, index: number): MaybePromise<unknown> {
  const facts: TaskFacts = { jobId: reader.jobId, index };
  if (entry.kind === ENTRY_THREW || entry.kind === ENTRY_UNSERIALIZABLE) {
    return chain(reader.codec.decode(entry.body), (error) => withFacts(error, facts));
  }
  if (entry.kind === ENTRY_FAILED) {
    return taskError(JSON.parse(Buffer.from(entry.body).toString()) as FailedOutcome, facts);
  }
  return new KingletError("INTERNAL", `outcome of task ${index} has the unknown kind ${entry.kind}`);
}

function withFacts(error: unknown, facts: TaskFacts): unknown {
  if (typeof error === "object" && error !== null && Object.isExtensible(error) && !("task" in error)) {
    Object.defineProperty(error, "task", { value: facts, enumerable: false, configurable: true });
  }
  return error;
}

const CODES = {
  crashed: "CRASHED",
  "out-of-memory": "OUT_OF_MEMORY",
  "timed-out": "TIMED_OUT",
  lost: "LOST",
  throttled: "THROTTLED",
  cancelled: "CANCELLED",
  "upstream-failed": "UPSTREAM_FAILED",
} as const;

const REMEDIES: Partial<Record<FailedOutcome["kind"], string>> = {
  crashed: "Run it with { isolate: true } to rule out its neighbours; its lines: kinglet logs <job>.",
  "out-of-memory": "Give its workers more with { memoryMb }, lower { concurrency }, or split the item.",
  "timed-out": "Raise { timeoutMs }, or split the item.",
  "upstream-failed": "Mend the job that this one takes its items from, or use mapSettled there.",
};

export function taskError(failure: FailedOutcome, facts: TaskFacts): TaskError {
  const remedy = REMEDIES[failure.kind]?.replace("<job>", facts.jobId);
  const error = new TaskError(
    CODES[failure.kind],
    `task ${facts.index} of job ${facts.jobId}: ${failure.message}`,
    {
      ...(remedy ? { remedy } : {}),
      details: { ...facts, attempts: failure.attempts, evidence: failure.evidence },
    },
  );
  return error;
}
