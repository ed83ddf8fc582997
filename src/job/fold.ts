import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { Run } from "./entries.ts";
import type { FrameLocation } from "./journal.ts";
import { claimName, driverLogName, jobId, journalPrefix } from "./keys.ts";
import { readLog } from "./log-reader.ts";
import {
  type CommitRecord,
  decodeRecord,
  type JobEndState,
  type JobMeta,
  type JournalHeader,
  type JournalRecord,
} from "./records.ts";

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
  readonly committed: CommittedRange[];
  committedCount: number;
  failedCount: number;
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

/**
 * Reads a journal: the state of its jobs as its driver logs tell it.
 * @throws StoreError NOT_FOUND if there is no such journal
 */
export async function readJournal(
  store: ObjectStore,
  id: string,
  listener?: RecordListener,
): Promise<JournalState> {
  const prefix = journalPrefix(id);
  const names = new Set<string>();
  for await (const object of store.list(prefix)) names.add(object.key.slice(prefix.length));
  if (!names.has(driverLogName(0))) {
    throw new StoreError("NOT_FOUND", `there is no job ${id} in ${store.description}`, {
      remedy: "List them with: kinglet jobs",
      details: { key: prefix },
    });
  }
  const epoch = lastEpoch(names);
  const last = await newestSeal(store, prefix, names, epoch);
  const folder = new JournalFolder(id);
  const sealedBytes: Record<string, number> = {};
  for (let e = 0; e <= epoch; e++) {
    const name = driverLogName(e);
    if (!names.has(name)) continue;
    const upto = e < last.epoch ? (last.sealedBytes[name] ?? 0) : Number.POSITIVE_INFINITY;
    sealedBytes[name] = await readLog(
      store,
      prefix + name,
      (frame) => {
        const record = decodeRecord(frame.payload);
        if (!record) return;
        folder.add(record, { log: name, offsetBytes: frame.offsetBytes, lengthBytes: frame.lengthBytes }, e);
        listener?.(record, e);
      },
      0,
      upto,
    );
  }
  const unsealed = last.epoch < epoch || (await store.exists(prefix + claimName(epoch + 1)));
  return { id, epoch, header: folder.header, jobs: folder.jobs, sealedBytes, unsealed };
}

/** Sees every record while a journal is read: console lines and events are not kept in the state. */
export type RecordListener = (record: JournalRecord, epoch: number) => void;

function lastEpoch(names: ReadonlySet<string>): number {
  let epoch = 0;
  while (names.has(claimName(epoch + 1))) epoch += 1;
  return epoch;
}

/** The newest epoch whose log begins with its header and seal (epoch 0 has nothing to seal). */
async function newestSeal(
  store: ObjectStore,
  prefix: string,
  names: ReadonlySet<string>,
  epoch: number,
): Promise<{ epoch: number; sealedBytes: Readonly<Record<string, number>> }> {
  for (let e = epoch; e > 0; e--) {
    if (!names.has(driverLogName(e))) continue;
    let seal: Readonly<Record<string, number>> | undefined;
    await readLog(store, prefix + driverLogName(e), (frame) => {
      const record = decodeRecord(frame.payload);
      if (record?.type === "seal") seal ??= record.sealedBytes;
    });
    if (seal) return { epoch: e, sealedBytes: seal };
  }
  return { epoch: 0, sealedBytes: {} };
}

/** Folds records, in order, into the state of a journal's jobs. Also used to follow a growing log. */
export class JournalFolder {
  readonly id: string;
  readonly jobs = new Map<number, JobState>();
  header: JournalHeader | undefined;
  readonly #taken = new Map<number, TakenSet>();

  constructor(id: string) {
    this.id = id;
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
      default:
        return;
    }
  }

  #newJob(meta: JobMeta, epoch: number): JobState {
    return {
      id: jobId({ journalId: this.id, number: meta.number }),
      meta,
      inputs: [],
      drawn: 0,
      total: undefined,
      committed: [],
      committedCount: 0,
      failedCount: 0,
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
  #bytes = new Uint8Array(1024);

  /** Takes the range; returns the parts of it that were free. */
  take(first: number, count: number): { first: number; count: number }[] {
    const end = first + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const parts: { first: number; count: number }[] = [];
    for (let i = first; i < end; i++) {
      if (this.#bytes[i]) continue;
      let j = i;
      while (j < end && !this.#bytes[j]) this.#bytes[j++] = 1;
      parts.push({ first: i, count: j - i });
      i = j;
    }
    return parts;
  }
}
