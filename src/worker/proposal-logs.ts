import { KingletError } from "../errors.ts";
import { workerLogName } from "../job/keys.ts";
import type { LogWriter, MaybePromise, ObjectStore } from "../storage/contract.ts";

/** A log that this worker appends its proposals to. */
export interface ProposalLog {
  readonly writer: LogWriter;
}

const OPEN_LOGS = 32;

/** `journals/<id>` of that folder, or of the folder of a generation in it. */
const journalOf = (prefix: string): string => prefix.split("/", 2).join("/");

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

  /**
   * @param logId chosen by the driver for one invocation: of two workers that run it, only one can write that log
   * @throws StoreError as `openLog`; KingletError INTERNAL where the store has no logs
   */
  of(journalPrefix: string, logId?: string): MaybePromise<ProposalLog> {
    const place = placeOf(journalPrefix, logId);
    const log = this.#open.get(place);
    if (!log) return this.#openNew(journalPrefix, logId, place);
    if (this.#open.size > 1) {
      this.#open.delete(place);
      this.#open.set(place, log);
    }
    return log;
  }

  /** After a failed append: nobody knows how much of it is there. */
  abandon(journalPrefix: string, logId?: string): void {
    this.#abandon(placeOf(journalPrefix, logId));
  }

  #abandon(place: string): void {
    void this.#open.get(place)?.writer.close();
    this.#open.delete(place);
  }

  #openNew(journalPrefix: string, logId: string | undefined, place: string): MaybePromise<ProposalLog> {
    if (!this.#store.openLog) {
      throw new KingletError(
        "INTERNAL",
        `${this.#store.description} can't append to logs, which this worker needs`,
      );
    }
    this.#closeOlder(journalPrefix);
    const writer = this.#store.openLog(journalPrefix + workerLogName(logId ?? this.#nextId()));
    return writer instanceof Promise
      ? writer.then((opened) => this.#keep(place, { writer: opened }))
      : this.#keep(place, { writer });
  }

  #nextId(): string {
    const id = this.#made === 0 ? this.workerId : `${this.workerId}-${this.#made}`;
    this.#made += 1;
    return id;
  }

  /** A log of an older generation of the journal may be deleted any time, and takes up room as long as it is open. */
  #closeOlder(journalPrefix: string): void {
    const journal = journalOf(journalPrefix);
    for (const place of this.#open.keys()) if (journalOf(prefixOf(place)) === journal) this.#abandon(place);
  }

  #keep(place: string, log: ProposalLog): ProposalLog {
    this.#open.set(place, log);
    if (this.#open.size > OPEN_LOGS) this.#abandon(this.#open.keys().next().value!);
    return log;
  }
}

const placeOf = (journalPrefix: string, logId: string | undefined): string =>
  logId === undefined ? journalPrefix : `${journalPrefix} ${logId}`;

const prefixOf = (place: string): string => place.split(" ", 1)[0]!;
