import { Ledger, type StorageRequests } from "../cost/ledger.ts";
import type { PriceTable } from "../cost/prices.ts";
import { KingletError, TaskError } from "../errors.ts";
import type { Run } from "../job/entries.ts";
import type { CommittedRange } from "../job/fold.ts";
import type { FrameLocation } from "../job/journal.ts";
import type { JobKind } from "../job/records.ts";
import type { JobCost, JobProgress, JobStatus } from "../job.ts";
import type { RunningJob } from "../scheduler/contract.ts";
import type { MaybePromise } from "../storage/contract.ts";
import type { PoolJobCode } from "./job-code.ts";
import { type Outcome, type OutcomeReader, OutcomeTable, readOutcome, type Segment } from "./outcomes.ts";
import type { ConsumedRetention } from "./retention.ts";

/** Tasks that may be ahead of a slow consumer before no more items are drawn. */
const STREAM_WINDOW_TASKS = 10_000;

/** How a job ended, for those who wait on it. */
export interface JobEnding {
  readonly status: Exclude<JobStatus, "running">;
  /** Index of the task whose failure ended a `map`. */
  readonly failedIndex?: number;
  /** What ended the job other than a task: cancellation, a bad item, the store. */
  readonly error?: unknown;
}

/** The driver's side of a job, common to Job and Future: its outcomes, who waits for them, how it ended. */
export class JobCore {
  readonly id: string;
  /** Of an attached job it is known once its journal was read. */
  kind: JobKind;
  readonly reader: OutcomeReader;
  readonly journalPrefix: string;
  readonly table: OutcomeTable;
  running: RunningJob | undefined;
  /** Where workers don't see this machine's files. */
  code: PoolJobCode | undefined;
  ending: JobEnding | undefined;
  /** Someone awaited or iterated it. */
  observed = false;
  #wake: (() => void)[] = [];
  #listeners: ((segment: Segment) => void)[] | undefined;
  #whenEnded: (() => void)[] | undefined;
  /** Whoever consumes the results: decides how far items are drawn ahead. */
  demand: "unknown" | "all" | "stream" = "unknown";
  consumed = 0;
  /** Tasks below it have lost their outcomes to `retain: "consumed"`, */
  dropped = 0;
  /** and those below this one before this process came to the job: its loops begin here. */
  begin = 0;
  /** `retain: "consumed"`: its items are drawn as its results are, */
  isSparing = false;
  /** and what a loop has passed is deleted. */
  retention: ConsumedRetention | undefined;
  /** Bytes of the runs of outcomes so far. */
  outcomeBytes = 0;
  total: number | undefined;
  /** Requests to the store that were made since the last job's end: once it has ended, where they cost something. */
  storage: { readonly requests: StorageRequests; readonly prices: PriceTable } | undefined;
  onCancel: ((reason: string) => void) | undefined;
  /** Called when the job begins, or ceases, to keep the process alive. */
  onHold: ((holds: boolean) => void) | undefined;
  #holding = false;
  /** The pool doesn't wait for it. */
  detached = false;

  constructor(id: string, kind: JobKind, reader: OutcomeReader, journalPrefix: string) {
    this.id = id;
    this.kind = kind;
    this.reader = reader;
    this.journalPrefix = journalPrefix;
    this.table = new OutcomeTable(reader.store, journalPrefix);
  }

  // — what the scheduler tells

  committed(run: Run, first: number, count: number, location: FrameLocation, skipBytes: 0 | 1): void {
    this.outcomeBytes += run.bytes.length * (count / run.count);
    this.#announce(this.table.add(run, first, count, location, skipBytes));
  }

  committedEarlier(range: CommittedRange): void {
    this.#announce(this.table.addStored(range));
  }

  end(ending: JobEnding): void {
    if (this.ending) return;
    this.ending = ending;
    this.wake();
    const waiting = this.#whenEnded;
    this.#whenEnded = undefined;
    if (waiting) for (const callback of waiting) callback();
  }

  #announce(segment: Segment): void {
    if (this.#listeners) for (const listener of this.#listeners) listener(segment);
    if (this.#wake.length > 0) this.wake();
  }

  wake(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  // — what consumers ask

  /** Hears of every segment, those of the past first. */
  listen(listener: (segment: Segment) => void): () => void {
    for (const segment of this.table.segments()) listener(segment);
    if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
    return () => {
      this.#listeners = this.#listeners?.filter((one) => one !== listener);
    };
  }

  /** Resolves when a segment was committed or the job ended. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  ended(): Promise<JobEnding> {
    return new Promise((resolve) => this.onceEnded(() => resolve(this.ending!)));
  }

  /** Where big items go: the journal's folder, or that of its generation. */
  get dataPrefix(): string {
    return this.retention?.dataPrefix ?? this.journalPrefix;
  }

  /** Calls back when the job has ended; at once, if it has. */
  onceEnded(callback: () => void): void {
    if (this.ending) callback();
    else if (this.#whenEnded) this.#whenEnded.push(callback);
    else this.#whenEnded = [callback];
  }

  want(demand: "all" | "stream", observing = true): void {
    if (observing) this.observed = true;
    if (this.demand === "all" || this.demand === demand) return;
    this.demand = demand;
    this.hold(true);
    this.running?.inputReady();
  }

  /** How many more tasks may be drawn after `drawn`, given who consumes their results. */
  drawRoom(drawn: number): number {
    if (this.demand === "all") return Number.POSITIVE_INFINITY;
    const windowTasks = Math.min(STREAM_WINDOW_TASKS, this.retention?.windowTasks ?? STREAM_WINDOW_TASKS);
    const room = Math.max(0, this.consumed + windowTasks - drawn);
    // Nobody may ever ask for the results: that must not keep the process from ending.
    if (room === 0 && this.demand === "unknown") this.hold(false);
    return room;
  }

  /** Whether the process stays alive for this job. */
  hold(holds: boolean): void {
    if (holds === this.#holding || (holds && (this.ending || this.detached))) return;
    this.#holding = holds;
    this.onHold?.(holds);
  }

  detach(): void {
    this.observed = true;
    this.detached = true;
    this.hold(false);
  }

  /** A loop has handed out `upto` outcomes in all, those of the segment the last ones. */
  consume(upto: number, segment: Segment): void {
    this.retention?.handedOut(segment);
    const before = this.consumed;
    this.consumed = Math.max(before, upto);
    if (this.demand === "stream" && Math.floor(before / 64) !== Math.floor(this.consumed / 64)) {
      this.running?.inputReady();
    }
  }

  /** Outcomes of tasks below `index` are gone. */
  drop(index: number): void {
    this.table.dropBelow(index, this.dropped);
    this.dropped = index;
  }

  /** @throws KingletError CONSUMED where outcomes of tasks from `first` on, which a reader wants, are gone */
  refuseIfDropped(first: number): void {
    if (this.dropped <= first) return;
    throw new KingletError(
      "CONSUMED",
      `job ${this.id}: the results of its first ${this.dropped} tasks are gone: a loop has passed them, and retain is "consumed"`,
      {
        remedy: 'Go over the results once, or leave out retain: "consumed".',
        details: { jobId: this.id, dropped: this.dropped },
      },
    );
  }

  /** The error that the job ended with, if it did not end well. */
  async failure(): Promise<unknown> {
    const ending = await this.ended();
    if (ending.error !== undefined) return ending.error;
    if (ending.failedIndex !== undefined) {
      const outcome = await this.outcomeOf(ending.failedIndex);
      if (!outcome.ok) return outcome.error;
    }
    if (ending.status === "done") return undefined;
    return new TaskError("CANCELLED", `job ${this.id} was ${ending.status}`, { details: { jobId: this.id } });
  }

  async outcomeOf(index: number): Promise<Outcome<unknown>> {
    const segment = this.table.holding(index);
    if (!segment) throw new KingletError("INTERNAL", `task ${index} of job ${this.id} has no outcome`);
    return readOutcome(this.reader, (await this.table.load(segment)).entry(index), index);
  }

  read(run: Run, index: number): MaybePromise<Outcome<unknown>> {
    return readOutcome(this.reader, run.entry(index), index);
  }

  async cancel(reason = "cancelled by the program"): Promise<void> {
    this.observed = true;
    this.onCancel?.(reason);
    await this.ended();
  }

  /** What its attempts cost here, and the pool's requests to the store that are counted as its own. */
  get cost(): JobCost {
    const ledger = new Ledger("");
    if (this.running) ledger.addAll(this.running.cost);
    const { storage } = this;
    if (storage) ledger.addStorage(storage.requests, storage.prices);
    return ledger.total;
  }

  get progress(): JobProgress {
    const counts = this.running?.counts;
    return {
      total: this.total ?? counts?.total,
      drawn: counts?.drawn ?? this.table.committed,
      done: this.table.committed,
      failed: counts?.failed ?? 0,
      running: this.ending ? 0 : (counts?.running ?? 0),
      retried: counts?.retried ?? 0,
      state: this.ending?.status ?? "running",
    };
  }
}
