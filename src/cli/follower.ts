import type { JobState, RecordListener } from "../job/fold.ts";
import { JournalFolder } from "../job/fold.ts";
import { claimName, driverLogName, journalPrefix } from "../job/keys.ts";
import { type LogPlace, readLog } from "../job/log-reader.ts";
import { decodeRecord } from "../job/records.ts";
import type { ObjectStore } from "../storage/contract.ts";

/**
 * Reads a journal while its driver writes it: each `poll` takes in what was appended since the one before.
 * For showing, not for leading: it doesn't wait for seals.
 */
export class JournalFollower {
  readonly #store: ObjectStore;
  readonly #id: string;
  readonly #listener: RecordListener;
  readonly #folder: JournalFolder;
  /** How far each epoch's log was read. */
  readonly #places: LogPlace[] = [];

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
    const prefix = journalPrefix(this.#id);
    for (let epoch = 0; epoch === 0 || (await this.#store.exists(prefix + claimName(epoch))); epoch++) {
      const log = driverLogName(epoch);
      // A claim may stand alone: who made it died before its first record.
      if (!this.#places[epoch] && !(await this.#store.exists(prefix + log))) continue;
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
