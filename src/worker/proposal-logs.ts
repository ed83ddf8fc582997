import { KingletError } from "../errors.ts";
import { workerLogName } from "../job/keys.ts";
import type { LogWriter, MaybePromise, ObjectStore } from "../storage/contract.ts";

/** A log that this worker appends its proposals to. */
export interface ProposalLog {
  readonly writer: LogWriter;
}

const OPEN_LOGS = 32;

/**
 * The logs of one worker, one for each journal that it works for. A log is never reopened: what was closed to make
 * room, or failed in the middle of a write, is followed by a new one under another name.
 */
export class ProposalLogs {
  readonly workerId: string;
  readonly #store: ObjectStore;
  readonly #open = new Map<string, ProposalLog>();
  #made = 0;

  constructor(store: ObjectStore, workerId: string) {
    this.#store = store;
    this.workerId = workerId;
  }

  /** @throws StoreError as `openLog`; KingletError INTERNAL where the store has no logs */
  of(journalPrefix: string): MaybePromise<ProposalLog> {
    const log = this.#open.get(journalPrefix);
    if (!log) return this.#openNew(journalPrefix);
    if (this.#open.size > 1) {
      this.#open.delete(journalPrefix);
      this.#open.set(journalPrefix, log);
    }
    return log;
  }

  /** After a failed append: nobody knows how much of it is there. */
  abandon(journalPrefix: string): void {
    void this.#open.get(journalPrefix)?.writer.close();
    this.#open.delete(journalPrefix);
  }

  #openNew(journalPrefix: string): MaybePromise<ProposalLog> {
    if (!this.#store.openLog) {
      throw new KingletError(
        "INTERNAL",
        `${this.#store.description} can't append to logs, which this worker needs`,
      );
    }
    const id = this.#made === 0 ? this.workerId : `${this.workerId}-${this.#made}`;
    this.#made += 1;
    const writer = this.#store.openLog(journalPrefix + workerLogName(id));
    return writer instanceof Promise
      ? writer.then((opened) => this.#keep(journalPrefix, { writer: opened }))
      : this.#keep(journalPrefix, { writer });
  }

  #keep(journalPrefix: string, log: ProposalLog): ProposalLog {
    this.#open.set(journalPrefix, log);
    if (this.#open.size > OPEN_LOGS) this.abandon(this.#open.keys().next().value!);
    return log;
  }
}
