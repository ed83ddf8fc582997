import { Run } from "./entries.ts";
import type { BaseJob } from "./generations.ts";
import type { FrameLocation } from "./journal.ts";
import { jobId } from "./keys.ts";
import type { CommitRecord, JobEndState, JobMeta, JournalHeader, JournalRecord } from "./records.ts";

/** A committed range: where the outcomes of tasks `first`… lie. `run` frames hold them as a packed run. */
export interface CommittedRange {
  readonly first: number;
  readonly count: number;
  readonly failed: number;
  readonly location: FrameLocation;
  /** Bytes before the run in the frame's payload: 1 in a driver's log (the record type), 0 in a worker's. */
  readonly skipBytes: 0 | 1;
}

/** What a journal says of one of its jobs. */
export interface JobState {
  readonly id: string;
  readonly meta: JobMeta;
  /** Recorded inputs, in order of index; the frames are `inputs` records. */
  readonly inputs: { readonly first: number; readonly count: number; readonly location: FrameLocation }[];
  /** Tasks recorded so far. */
  drawn: number;
  /** Number of tasks, once the input was drawn to its end. */
  total: number | undefined;
  /** The code package that its tasks need from now on. */
  code: string | undefined;
  readonly committed: CommittedRange[];
  /** Tasks below it had their outcome, which is gone (`retain: "consumed"`). Their count is among the committed. */
  readonly consumed: number;
  committedCount: number;
  failedCount: number;
  /** What its drivers said that it cost, as far as they came to its end. */
  costUsd: number;
  ended: { readonly state: JobEndState; readonly reason?: string } | undefined;
  /** Epoch in which the last record of the job was written. */
  epoch: number;
}

export interface JournalState {
  readonly id: string;
  /** The last epoch that was claimed. */
  readonly epoch: number;
  /** Of the epoch that leads, or led last. */
  readonly header: JournalHeader | undefined;
  readonly jobs: Map<number, JobState>;
  /** How far each driver log counts. */
  readonly sealedBytes: Record<string, number>;
  /** Someone claimed an epoch but hasn't sealed the older ones yet: the tail of the last log may not count. */
  readonly unsealed: boolean;
}

/** Folds records, in order, into the state of a journal's jobs. Also used to follow a growing log. */
export class JournalFolder {
  readonly id: string;
  readonly jobs = new Map<number, JobState>();
  header: JournalHeader | undefined;
  readonly #taken = new Map<number, TakenSet>();

  /** @param base what is left of logs that are gone */
  constructor(id: string, base?: BaseJob) {
    this.id = id;
    if (base) this.#begin(base);
  }

  #begin({ meta, code, drawn, total, consumed, failed }: BaseJob): void {
    const job = this.#newJob(meta, 0, consumed);
    Object.assign(job, { drawn, total, committedCount: consumed, failedCount: failed });
    if (code !== undefined) job.code = code;
    this.jobs.set(meta.number, job);
    this.#taken.set(meta.number, new TakenSet(consumed));
  }

  add(record: JournalRecord, location: FrameLocation, epoch: number): void {
    switch (record.type) {
      case "header":
        this.header = record.header;
        return;
      case "job":
        if (!this.jobs.has(record.job.number))
          this.jobs.set(record.job.number, this.#newJob(record.job, epoch));
        return;
      case "inputs": {
        const { jobNumber, first, count } = new Run(record.run);
        const job = this.jobs.get(jobNumber);
        if (!job || first !== job.drawn) return; // a range that an older epoch recorded already
        job.inputs.push({ first, count, location });
        job.drawn += count;
        return;
      }
      case "code": {
        const job = this.jobs.get(record.jobNumber);
        if (job) job.code = record.code;
        return;
      }
      case "input-complete": {
        const job = this.jobs.get(record.jobNumber);
        if (job) job.total = record.total;
        return;
      }
      case "commit":
        this.#commit(record, record.location, 0, epoch);
        return;
      case "outcome": {
        const run = new Run(record.run);
        this.#commit({ ...range(run), failed: run.countFailed() }, location, 1, epoch);
        return;
      }
      case "ended": {
        const job = this.jobs.get(record.jobNumber);
        if (job) job.ended = { state: record.state, ...(record.reason ? { reason: record.reason } : {}) };
        return;
      }
      case "event": {
        const job = this.jobs.get(record.jobNumber);
        // Each driver's own: a resumed job has cost both.
        if (job && record.event.kind === "cost") job.costUsd += Number(record.event["usd"]) || 0;
        return;
      }
      default:
        return;
    }
  }

  #newJob(meta: JobMeta, epoch: number, consumed = 0): JobState {
    return {
      id: jobId({ journalId: this.id, number: meta.number }),
      meta,
      inputs: [],
      drawn: 0,
      total: undefined,
      code: meta.code,
      committed: [],
      consumed,
      committedCount: 0,
      failedCount: 0,
      costUsd: 0,
      ended: undefined,
      epoch,
    };
  }

  /** The first commit of a task decides; what a later record says of it does not count. */
  #commit(
    commit: Pick<CommitRecord, "jobNumber" | "first" | "count" | "failed">,
    location: FrameLocation,
    skipBytes: 0 | 1,
    epoch: number,
  ): void {
    const job = this.jobs.get(commit.jobNumber);
    if (!job) return;
    job.epoch = epoch;
    let taken = this.#taken.get(commit.jobNumber);
    if (!taken) this.#taken.set(commit.jobNumber, (taken = new TakenSet()));
    for (const part of taken.take(commit.first, commit.count)) {
      const failed = part.count === commit.count ? commit.failed : Math.min(commit.failed, part.count);
      job.committed.push({ ...part, failed, location, skipBytes });
      job.committedCount += part.count;
      job.failedCount += failed;
    }
  }
}

const range = (run: Run) => ({ jobNumber: run.jobNumber, first: run.first, count: run.count });

/** Which task indexes have been taken: a growing bitmap, one byte a task. */
class TakenSet {
  /** All below it are taken. */
  readonly #start: number;
  #bytes = new Uint8Array(1024);

  constructor(start = 0) {
    this.#start = start;
  }

  /** Takes the range; returns the parts of it that were free. */
  take(first: number, count: number): { first: number; count: number }[] {
    const start = this.#start;
    const end = first + count - start;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const parts: { first: number; count: number }[] = [];
    for (let i = Math.max(0, first - start); i < end; i++) {
      if (this.#bytes[i]) continue;
      let j = i;
      while (j < end && !this.#bytes[j]) this.#bytes[j++] = 1;
      parts.push({ first: start + i, count: j - i });
      i = j;
    }
    return parts;
  }
}
