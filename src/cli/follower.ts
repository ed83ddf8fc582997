import type { JobState } from "../job/fold.ts";
import { JournalFolder } from "../job/fold.ts";
import { readBase } from "../job/generations.ts";
import type { RecordListener } from "../job/journal-reader.ts";
import { claimName, driverLogName, journalPrefix } from "../job/keys.ts";
import { type LogPlace, readLog } from "../job/log-reader.ts";
import { decodeRecord } from "../job/records.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";

/**
 * Reads a journal while its driver writes it: each `poll` takes in what was appended since the one before.
 * For showing, not for leading: it doesn't wait for seals.
 */
export class JournalFollower {
  readonly #store: ObjectStore;
  readonly #id: string;
  readonly #listener: RecordListener;
  #folder: JournalFolder;
  /** How far each epoch's log was read. */
  #places: LogPlace[] = [];
  #firstEpoch = 0;

  constructor(store: ObjectStore, id: string, listener: RecordListener = () => {}) {
    this.#store = store;
    this.#id = id;
    this.#listener = listener;
    this.#folder = new JournalFolder(id);
  }

  get jobs(): ReadonlyMap<number, JobState> {
    return this.#folder.jobs;
  }

  /** Id of the driver that leads, or led last. */
  get driverId(): string | undefined {
    return this.#folder.header?.driverId;
  }

  async poll(): Promise<void> {
    for (;;) {
      try {
        return await this.#poll();
      } catch (error) {
        if (!isNotFound(error) || !(await this.#takeBase())) throw error;
      }
    }
  }

  /** Old logs of a job with `retain: "consumed"` are deleted while it runs: goes on with those that are there. */
  async #takeBase(): Promise<boolean> {
    const base = await readBase(this.#store, this.#id);
    if (!base || base.epoch <= this.#firstEpoch) return false;
    this.#firstEpoch = base.epoch;
    this.#places = [];
    this.#folder = new JournalFolder(this.#id, base.job);
    return true;
  }

  async #poll(): Promise<void> {
    const prefix = journalPrefix(this.#id);
    const first = this.#firstEpoch;
    for (
      let epoch = first;
      epoch === first || (await this.#store.exists(prefix + claimName(epoch)));
      epoch++
    ) {
      const log = driverLogName(epoch);
      // A claim may stand alone: who made it died before its first record.
      if (!this.#places[epoch] && !(await this.#store.exists(prefix + log))) {
        if (epoch === first && (await this.#takeBase())) return this.#poll();
        continue;
      }
      this.#places[epoch] = await readLog(
        this.#store,
        prefix + log,
        (frame, key) => {
          const record = decodeRecord(frame.payload);
          if (!record) return;
          const { offsetBytes, lengthBytes } = frame;
          this.#folder.add(record, { log: key.slice(prefix.length), offsetBytes, lengthBytes }, epoch);
          this.#listener(record, epoch);
        },
        this.#places[epoch],
      );
    }
  }
}
