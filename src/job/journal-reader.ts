import { StoreError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";
import { JournalFolder, type JournalState } from "./fold.ts";
import { type JournalBase, readBase } from "./generations.ts";
import { claimName, driverLogName, journalPrefix } from "./keys.ts";
import { LOG_START, type LogPlace, type OnFrame, readLog } from "./log-reader.ts";
import { decodeRecord, type JournalRecord } from "./records.ts";

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
/** A journal that was taken over or rolled that often probably has a base. */
const MANY_EPOCHS = 8;

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
  #base: JournalBase | undefined;
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
    for (;;) {
      try {
        return await this.#read();
      } catch (error) {
        // Old logs may be deleted while they are read: what is left of them is in the base then.
        if (!isNotFound(error) || !(await this.#takeBase())) throw error;
      }
    }
  }

  async #read(): Promise<JournalState> {
    // Where the last look found no claim, the one at the end of this look is soon enough.
    if (this.#mayBeClaimed) await this.#findEpoch();
    if (this.#seal.epoch < this.#epoch) await this.#findSeal();
    for (let epoch = this.#base?.epoch ?? 0; epoch <= this.#epoch; epoch++) await this.#readOn(epoch);
    this.#mayBeClaimed = await this.#isClaimed(this.#epoch + 1);
    const unsealed = this.#mayBeClaimed || this.#seal.epoch < this.#epoch;
    const { header, jobs } = this.#folder;
    const sealedBytes: Record<string, number> = {};
    for (const [epoch, place] of this.#places.entries()) {
      if (place) sealedBytes[driverLogName(epoch)] = place.sizeBytes;
    }
    return { id: this.#id, epoch: this.#epoch, header, jobs, sealedBytes, unsealed };
  }

  async #findEpoch(): Promise<void> {
    while (await this.#isClaimed(this.#epoch + 1)) {
      this.#epoch += 1;
      // So many of them: a base shows the way past the old ones.
      if (this.#epoch === MANY_EPOCHS && !this.#base) await this.#takeBase();
    }
  }

  /** Begins anew with a base that wasn't known yet. */
  async #takeBase(): Promise<boolean> {
    const base = await readBase(this.#store, this.#id);
    if (!base || base.epoch <= (this.#base?.epoch ?? 0)) return false;
    this.#base = base;
    this.#epoch = Math.max(this.#epoch, base.epoch);
    this.#mayBeClaimed = true;
    this.#startAnew(NOTHING_SEALED);
    return true;
  }

  #startAnew(seal: Seal): void {
    this.#seal = seal;
    this.#places = [];
    this.#folder = new JournalFolder(this.#id, this.#base?.job);
  }

  async #isClaimed(epoch: number): Promise<boolean> {
    return this.#store.exists(this.#prefix + claimName(epoch));
  }

  /** The newest epoch whose log begins with its header and seal (epoch 0 has nothing to seal). */
  async #findSeal(): Promise<void> {
    const { epoch: first } = this.#base ?? this.#seal;
    for (let epoch = this.#epoch; epoch > this.#seal.epoch && epoch >= first; epoch--) {
      const sealedBytes = await readSeal(this.#store, this.#prefix + driverLogName(epoch));
      if (!sealedBytes) continue;
      this.#startAnew({ epoch, sealedBytes });
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
      // A claim may stand alone: who made it died before its first record. Epoch 0 and what was read are gone, if so.
      if (epoch === (this.#base?.epoch ?? 0) || from !== LOG_START)
        throw noSuchJournal(this.#store, this.#id);
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

const noSuchJournal = (store: ObjectStore, id: string): StoreError =>
  new StoreError("NOT_FOUND", `there is no job ${id} in ${store.description}`, {
    remedy: "List them with: kinglet jobs",
    details: { key: journalPrefix(id) },
  });
