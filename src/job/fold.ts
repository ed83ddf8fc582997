import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { Run } from "./entries.ts";
import type { FrameLocation } from "./journal.ts";
import { claimName, driverLogName, jobId, journalPrefix } from "./keys.ts";
import { LOG_START, type LogPlace, type OnFrame, readLog } from "./log-reader.ts";
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
  /** The code package that its tasks need from now on. */
  code: string | undefined;
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
export function readJournal(
  store: ObjectStore,
  id: string,
  listener?: RecordListener,
): Promise<JournalState> {
  return new JournalReader(store, id, listener).read();
}

/** Sees every record while a journal is read: console lines and events are not kept in the state. */
export type RecordListener = (record: JournalRecord, epoch: number) => void;

/** An epoch, and how much of each older driver log its seal lets count. */
interface Seal {
  readonly epoch: number;
  readonly sealedBytes: Readonly<Record<string, number>>;
}

const NOTHING_SEALED: Seal = { epoch: 0, sealedBytes: {} };

/**
 * Reads a journal again and again while it grows: only what is new, unless its leader has changed, since a seal may
 * take back what had been read. By keys alone, never by listing: a journal may hold many objects.
 */
export class JournalReader {
  readonly #store: ObjectStore;
  readonly #id: string;
  readonly #prefix: string;
  readonly #listener: RecordListener | undefined;
  #folder: JournalFolder;
  #epoch = 0;
  #mayBeClaimed = true;
  #seal = NOTHING_SEALED;
  /** How far the log of each epoch was read; undefined where none was found. */
  #places: (LogPlace | undefined)[] = [];

  constructor(store: ObjectStore, id: string, listener?: RecordListener) {
    this.#store = store;
    this.#id = id;
    this.#prefix = journalPrefix(id);
    this.#listener = listener;
    this.#folder = new JournalFolder(id);
  }

  /** @throws StoreError NOT_FOUND if there is no such journal */
  async read(): Promise<JournalState> {
    // Where the last look found no claim, the one at the end of this look is soon enough.
    if (this.#mayBeClaimed) while (await this.#isClaimed(this.#epoch + 1)) this.#epoch += 1;
    if (this.#seal.epoch < this.#epoch) await this.#findSeal();
    for (let epoch = 0; epoch <= this.#epoch; epoch++) await this.#readOn(epoch);
    this.#mayBeClaimed = await this.#isClaimed(this.#epoch + 1);
    const unsealed = this.#mayBeClaimed || this.#seal.epoch < this.#epoch;
    const { header, jobs } = this.#folder;
    const sealedBytes: Record<string, number> = {};
    for (const [epoch, place] of this.#places.entries()) {
      if (place) sealedBytes[driverLogName(epoch)] = place.sizeBytes;
    }
    return { id: this.#id, epoch: this.#epoch, header, jobs, sealedBytes, unsealed };
  }

  async #isClaimed(epoch: number): Promise<boolean> {
    return this.#store.exists(this.#prefix + claimName(epoch));
  }

  /** The newest epoch whose log begins with its header and seal (epoch 0 has nothing to seal). */
  async #findSeal(): Promise<void> {
    for (let epoch = this.#epoch; epoch > this.#seal.epoch; epoch--) {
      const sealedBytes = await readSeal(this.#store, this.#prefix + driverLogName(epoch));
      if (!sealedBytes) continue;
      this.#seal = { epoch, sealedBytes };
      this.#places = [];
      this.#folder = new JournalFolder(this.#id);
      return;
    }
  }

  async #readOn(epoch: number): Promise<void> {
    const log = driverLogName(epoch);
    const isSealed = epoch < this.#seal.epoch;
    const uptoBytes = isSealed ? (this.#seal.sealedBytes[log] ?? 0) : Number.POSITIVE_INFINITY;
    const from = this.#places[epoch] ?? LOG_START;
    if (from.sizeBytes >= uptoBytes) return;
    const onFrame: OnFrame = (frame, key) => {
      const record = decodeRecord(frame.payload);
      if (!record) return;
      const { offsetBytes, lengthBytes } = frame;
      this.#folder.add(record, { log: key.slice(this.#prefix.length), offsetBytes, lengthBytes }, epoch);
      this.#listener?.(record, epoch);
    };
    try {
      this.#places[epoch] = await readLog(this.#store, this.#prefix + log, onFrame, from, uptoBytes);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // A claim may stand alone: who made it died before its first record.
      if (epoch === 0 || from !== LOG_START) throw noSuchJournal(this.#store, this.#id);
    }
  }
}

async function readSeal(
  store: ObjectStore,
  logKey: string,
): Promise<Readonly<Record<string, number>> | undefined> {
  let sealedBytes: Readonly<Record<string, number>> | undefined;
  let records = 0;
  const onFrame: OnFrame = ({ payload }) => {
    const record = decodeRecord(payload);
    if (record?.type === "seal") sealedBytes = record.sealedBytes;
    records += 1;
    return sealedBytes === undefined && records < 2;
  };
  try {
    await readLog(store, logKey, onFrame);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return sealedBytes;
}

const isNotFound = (error: unknown): boolean => error instanceof StoreError && error.code === "NOT_FOUND";

const noSuchJournal = (store: ObjectStore, id: string): StoreError =>
  new StoreError("NOT_FOUND", `there is no job ${id} in ${store.description}`, {
    remedy: "List them with: kinglet jobs",
    details: { key: journalPrefix(id) },
  });

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
      code: meta.code,
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
