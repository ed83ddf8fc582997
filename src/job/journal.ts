import { KingletError } from "../errors.ts";
import { chain } from "../maybe.ts";
import type { AppendPlace, LogWriter, MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { OutcomeLocation } from "./contract.ts";
import { FrameBuffer } from "./frames.ts";
import { claimName, driverLogName, generationFolder, journalPrefix } from "./keys.ts";
import { readFrame } from "./log-reader.ts";
import { type JournalHeader, type JournalRecord, writeRecord } from "./records.ts";

/** A frame of one of the journal's logs. */
export type FrameLocation = OutcomeLocation;

/**
 * A journal: the folder of a map, or of many `pool.run` calls, and the one log that this driver writes in it.
 *
 * Leadership (design §4.2). The driver of epoch *e* appends to `driver-<e>.log`. Who wants to take over puts
 * `claim-<e+1>` if absent, *then* reads the older logs to their end, *then* seals those lengths in its own log.
 * The old driver appends, *then* looks for that claim (`confirm`), and only then shows an outcome to anyone. So an
 * outcome that was ever shown lies before the seal: either its append came before the new leader's read, or its
 * confirm saw the claim.
 */
export interface Journal {
  readonly id: string;
  readonly epoch: number;
  /** `journals/<id>/` */
  readonly prefix: string;
  /** Where worker logs and big objects go: `prefix`, or a folder in it that is deleted as a whole (generations.ts). */
  readonly dataPrefix: string;
  readonly store: ObjectStore;
  /** Appends records as one write, in order; where each of them lies. */
  append(records: readonly JournalRecord[]): MaybePromise<readonly FrameLocation[]>;
  /** False once someone claimed a later epoch: nothing may be shown any more. */
  confirm(): MaybePromise<boolean>;
  sync(): MaybePromise<void>;
  /**
   * Begins a new generation: what is appended from then on goes to the log of the next epoch, which this driver claims
   * from itself, and `dataPrefix` is another one. Not while an append is under way.
   * @returns false where another driver has claimed that epoch. Where it throws, nothing can be appended any more
   */
  roll(nowMs: number): Promise<boolean>;
  close(): MaybePromise<void>;
  /** Payload of a frame of any of the journal's logs. */
  read(location: FrameLocation): Promise<Uint8Array>;
}

export interface JournalOptions {
  readonly store: ObjectStore;
  readonly id: string;
  readonly header: JournalHeader;
  /** `durability: "fsync"`: every append is synced. */
  readonly sync?: boolean;
  /** A generation of its own (generations.ts). */
  readonly generation?: boolean;
  /** How much of each older driver log counts, of a journal that was taken over. */
  readonly sealedBytes?: Readonly<Record<string, number>>;
}

/**
 * Opens the journal's log of `header.epoch`, which must not exist yet.
 * @throws KingletError INTERNAL where the store can't append; StoreError as the store's `openLog`
 */
export function createJournal(options: JournalOptions): MaybePromise<Journal> {
  const { store, id, header } = options;
  const name = driverLogName(header.epoch);
  if (!store.openLog) {
    throw new KingletError("INTERNAL", `${store.description} can't append to logs, which journals need`);
  }
  const log = store.openLog(journalPrefix(id) + name);
  return chain(log, (opened) => {
    const journal = new LogJournal(options, opened);
    // Where an append is a request, the header goes along with the first records.
    if (store.capabilities.append === "emulated") return journal;
    return chain(journal.append([]), () => journal);
  });
}

/** What a claim says: who leads from its epoch on. */
export const claimBody = (driverId: string, atMs: number): Uint8Array =>
  Buffer.from(JSON.stringify({ driverId, atMs }));

class LogJournal implements Journal {
  readonly id: string;
  epoch: number;
  readonly prefix: string;
  dataPrefix: string;
  readonly store: ObjectStore;
  readonly #firstHeader: JournalHeader;
  #log: LogWriter;
  #nextClaim: string;
  #sealedBytes: Readonly<Record<string, number>>;
  readonly #sync: boolean;
  #buffer = new FrameBuffer();
  /** Not written yet: it goes before everything else. */
  #header: JournalRecord | undefined;
  /** The object that the last append went to, and its name in the journal. */
  #lastKey = "";
  #lastName = "";

  constructor(options: JournalOptions, log: LogWriter) {
    this.store = options.store;
    this.id = options.id;
    this.epoch = options.header.epoch;
    this.prefix = journalPrefix(options.id);
    this.dataPrefix = options.generation ? this.prefix + generationFolder(this.epoch) : this.prefix;
    this.#log = log;
    this.#firstHeader = options.header;
    this.#header = { type: "header", header: options.header };
    this.#sealedBytes = options.sealedBytes ?? {};
    this.#nextClaim = this.prefix + claimName(this.epoch + 1);
    this.#sync = options.sync ?? false;
  }

  append(records: readonly JournalRecord[]): MaybePromise<readonly FrameLocation[]> {
    const buffer = this.#buffer;
    buffer.clear();
    if (this.#header) {
      const start = buffer.begin();
      writeRecord(this.#header, buffer);
      buffer.finish(start);
      this.#header = undefined;
    }
    const starts: number[] = [];
    for (const record of records) {
      const start = buffer.begin();
      writeRecord(record, buffer);
      buffer.finish(start);
      starts.push(start);
    }
    const endBytes = buffer.end;
    const appended = this.#log.append([buffer.bytes.subarray(0, endBytes)]);
    // The store still reads from it.
    if (appended instanceof Promise) this.#buffer = new FrameBuffer();
    const located = chain(appended, (place) => this.#locations(place, starts, endBytes));
    if (!this.#sync) return located;
    return chain(located, (locations) => chain(this.#log.sync(), () => locations));
  }

  #locations(place: AppendPlace, starts: readonly number[], endBytes: number): readonly FrameLocation[] {
    const { key, offsetBytes } = place;
    if (key !== this.#lastKey) {
      this.#lastKey = key;
      this.#lastName = key.slice(this.prefix.length);
    }
    const log = this.#lastName;
    return starts.map((start, i) => ({
      log,
      offsetBytes: offsetBytes + start,
      lengthBytes: (starts[i + 1] ?? endBytes) - start,
    }));
  }

  async roll(nowMs: number): Promise<boolean> {
    const epoch = this.epoch + 1;
    const claim = claimBody(this.#firstHeader.driverId, nowMs);
    const { created } = await this.store.put(this.#nextClaim, claim, { ifAbsent: true });
    if (!created) return false;
    const old = this.#log;
    this.#sealedBytes = { ...this.#sealedBytes, [driverLogName(this.epoch)]: old.sizeBytes };
    this.#log = await this.store.openLog!(this.prefix + driverLogName(epoch));
    await old.close();
    this.epoch = epoch;
    this.dataPrefix = this.prefix + generationFolder(epoch);
    this.#nextClaim = this.prefix + claimName(epoch + 1);
    this.#header = { type: "header", header: { ...this.#firstHeader, epoch, createdMs: nowMs } };
    await this.append([{ type: "seal", sealedBytes: this.#sealedBytes }]);
    return true;
  }

  confirm(): MaybePromise<boolean> {
    const claimed = this.store.exists(this.#nextClaim);
    return claimed instanceof Promise ? claimed.then((is) => !is) : !claimed;
  }

  sync(): MaybePromise<void> {
    return this.#log.sync();
  }

  close(): MaybePromise<void> {
    return this.#log.close();
  }

  read(location: FrameLocation): Promise<Uint8Array> {
    return readFrame(this.store, this.prefix + location.log, location.offsetBytes, location.lengthBytes);
  }
}
