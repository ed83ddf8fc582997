import type { FrameLocation, Journal } from "../job/journal.ts";
import type { JournalRecord } from "../job/records.ts";
import type { MaybePromise } from "../storage/contract.ts";

export type WriteResult =
  | { readonly ok: true; readonly locations: readonly FrameLocation[] }
  | { readonly ok: false; readonly why: "fenced" | "broken"; readonly error: unknown };

type Failure = Extract<WriteResult, { ok: false }>;

export interface WriteOptions {
  /** The records decide outcomes, which may be shown only while this driver leads. */
  readonly confirm: boolean;
  /** Something can't go on before they are written: they don't wait for others to go along with. */
  readonly urgent: boolean;
}

interface Write extends WriteOptions {
  readonly records: readonly JournalRecord[];
  readonly done: (result: WriteResult) => void;
}

interface Roll {
  /** All that was written lies in the generation that ends now; whatever is written from here on, in the next one. */
  begins(): void;
  /** The next one is there; or, with false, nothing can be written any more. */
  done(rolled: boolean): void;
}

/** What a queue needs of the driver. */
export interface QueueHost {
  nowMs(): number;
  /** Calls back in a later turn of the loop. */
  defer(callback: () => void): void;
  after(delayMs: number, callback: () => void): () => void;
  /** Attempts are under way whose outcomes may be written together with what waits, and no slot is idle for want of it. */
  mayGather(): boolean;
  /** How long writes may gather, given how long an append takes and since when there were any (policy.ts). */
  gatherMs(appendMs: number, sinceMs: number): number;
  /** Something gathers: `hurry` is to be called once it may no longer. */
  gathers(queue: JournalQueue): void;
  /** Nobody writes to it any more, and nothing went wrong. */
  unused(queue: JournalQueue): void;
}

/**
 * Writes to one journal, in order: append, then confirm leadership, then call back. While the store is busy, writes
 * gather and go as one append. Where the store is synchronous, so is this.
 *
 * Where each append is a request that takes its time and is paid for (emulated logs), writes gather for a while too,
 * as long as others are to be expected and nothing urgent is among them.
 *
 * After a failed append nothing more is written: what follows a torn frame would never be read.
 */
export class JournalQueue {
  readonly journal: Journal;
  /** Jobs that write to it. */
  jobs = 0;
  readonly #host: QueueHost;
  readonly #gathers: boolean;
  readonly #startedMs: number;
  #writes: Write[] = [];
  #lazy: JournalRecord[] = [];
  #flushPlanned = false;
  #stopGathering: (() => void) | undefined;
  /** How long the last append took. */
  #appendMs = 0;
  #busy = false;
  #failure: Failure | undefined;
  #whenIdle: (() => void)[] = [];
  /** Whoever wants a new generation of the journal. */
  #rolls: Roll[] = [];

  constructor(journal: Journal, host: QueueHost) {
    this.journal = journal;
    this.#host = host;
    this.#gathers = journal.store.capabilities.append === "emulated";
    this.#startedMs = host.nowMs();
  }

  release(): void {
    this.jobs -= 1;
    this.#checkUnused();
  }

  /** Nobody writes to it, nothing is on its way, and nothing went wrong. */
  get isUnused(): boolean {
    return (
      this.jobs === 0 &&
      !this.#busy &&
      this.#lazy.length === 0 &&
      this.#writes.length === 0 &&
      this.#failure === undefined
    );
  }

  #checkUnused(): void {
    if (this.isUnused) this.#host.unused(this);
  }

  write(
    records: readonly JournalRecord[],
    { confirm, urgent }: WriteOptions,
    done: (result: WriteResult) => void,
  ): void {
    this.#writes.push({ records, confirm, urgent, done });
    this.#drain();
  }

  /** A new generation of the journal, as soon as nothing is being written. */
  roll(roll: Roll): void {
    this.#rolls.push(roll);
    this.#drain();
  }

  /** A record that nothing waits for: it goes along with the next write, or in the next turn where that is cheap. */
  writeLater(record: JournalRecord): void {
    if (this.#failure) return;
    this.#lazy.push(record);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#host.defer(() => this.#flush(false));
  }

  #flush(urgent: boolean): void {
    this.#flushPlanned = false;
    if (this.#lazy.length > 0) this.write([], { confirm: false, urgent }, () => {});
  }

  /** Nothing is to be expected that could go along with what waits. */
  hurry(): void {
    this.#stopGathering?.();
    this.#stopGathering = undefined;
    this.#drain(true);
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    this.#flush(true);
    this.hurry();
    if (this.#busy) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #drain(atOnce = false): void {
    if (!this.#busy && this.#rolls.length > 0) this.#roll(this.#rolls.splice(0));
    while (!this.#busy && this.#writes.length > 0) {
      if (!atOnce && this.#mayGather()) return;
      this.#stopGathering?.();
      this.#stopGathering = undefined;
      const writes = this.#writes;
      this.#writes = [];
      this.#busy = true;
      const result = this.#perform(writes);
      if (result instanceof Promise) {
        result.then((settled) => {
          this.#settle(writes, settled);
          this.#drain();
        });
        return;
      }
      this.#settle(writes, result);
    }
    if (this.#busy) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
    this.#checkUnused();
  }

  #roll(rolls: readonly Roll[]): void {
    if (this.#failure) {
      for (const roll of rolls) roll.done(false);
      return;
    }
    this.#busy = true;
    for (const roll of rolls) roll.begins();
    this.journal
      .roll(this.#host.nowMs())
      .then((leads) => (leads ? undefined : FENCED), broken)
      .then((failure) => {
        this.#failure ??= failure;
        this.#busy = false;
        for (const roll of rolls) roll.done(failure === undefined);
        this.#drain();
      });
  }

  /** Whether what waits goes on waiting for more. */
  #mayGather(): boolean {
    if (!this.#gathers || this.#failure || !this.#host.mayGather()) return false;
    if (this.#writes.some((write) => write.urgent)) return false;
    if (!this.#stopGathering) {
      const sinceMs = this.#host.nowMs() - this.#startedMs;
      const delayMs = this.#host.gatherMs(this.#appendMs, sinceMs);
      this.#stopGathering = this.#host.after(delayMs, () => this.hurry());
      this.#host.gathers(this);
    }
    return true;
  }

  #perform(writes: readonly Write[]): MaybePromise<WriteResult> {
    if (this.#failure) return this.#failure;
    const lazy = this.#lazy;
    let records: readonly JournalRecord[];
    if (lazy.length === 0 && writes.length === 1) records = writes[0]!.records;
    else {
      this.#lazy = [];
      // What tasks printed before an outcome stands before it.
      records = [...lazy, ...writes.flatMap((write) => write.records)];
    }
    const confirm = writes.some((write) => write.confirm);
    try {
      const startMs = this.#gathers ? this.#host.nowMs() : 0;
      const appended = records.length > 0 ? this.journal.append(records) : [];
      if (appended instanceof Promise) {
        return appended
          .then((locations) => {
            if (this.#gathers) this.#appendMs = this.#host.nowMs() - startMs;
            return this.#confirmed(locations.slice(lazy.length), confirm);
          })
          .catch(broken);
      }
      const confirmed = this.#confirmed(lazy.length > 0 ? appended.slice(lazy.length) : appended, confirm);
      return confirmed instanceof Promise ? confirmed.catch(broken) : confirmed;
    } catch (error) {
      return broken(error);
    }
  }

  #confirmed(locations: readonly FrameLocation[], confirm: boolean): MaybePromise<WriteResult> {
    const result: WriteResult = { ok: true, locations };
    if (!confirm) return result;
    const leads = this.journal.confirm();
    if (leads instanceof Promise) return leads.then((is) => (is ? result : FENCED));
    return leads ? result : FENCED;
  }

  #settle(writes: readonly Write[], result: WriteResult): void {
    if (!result.ok) {
      this.#failure ??= result;
      this.#lazy = [];
    }
    // Still busy: what the callbacks write comes after all of this.
    try {
      let at = 0;
      for (const { records, done } of writes) {
        if (!result.ok) done(result);
        else if (writes.length === 1) done(result);
        else done({ ok: true, locations: result.locations.slice(at, at + records.length) });
        at += records.length;
      }
    } finally {
      this.#busy = false;
    }
  }
}

const FENCED: Failure = { ok: false, why: "fenced", error: undefined };
const broken = (error: unknown): Failure => ({ ok: false, why: "broken", error });
