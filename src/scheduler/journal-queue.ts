import type { FrameLocation, Journal } from "../job/journal.ts";
import type { JournalRecord } from "../job/records.ts";
import type { MaybePromise } from "../storage/contract.ts";

export type WriteResult =
  | { readonly ok: true; readonly locations: readonly FrameLocation[] }
  | { readonly ok: false; readonly why: "fenced" | "broken"; readonly error: unknown };

interface Write {
  readonly records: readonly JournalRecord[];
  readonly confirm: boolean;
  readonly done: (result: WriteResult) => void;
}

/**
 * Writes to one journal, in order: append, then confirm leadership, then call back. While the store is busy, writes
 * gather and go as one append. Where the store is synchronous, so is this.
 *
 * After a failed append nothing more is written: what follows a torn frame would never be read.
 */
export class JournalQueue {
  readonly journal: Journal;
  /** Jobs that write to it. */
  jobs = 0;
  readonly #defer: (callback: () => void) => void;
  readonly #onUnused: (queue: JournalQueue) => void;
  #writes: Write[] = [];
  #lazy: JournalRecord[] = [];
  #flushPlanned = false;
  #busy = false;
  #failure: Extract<WriteResult, { ok: false }> | undefined;
  #whenIdle: (() => void)[] = [];

  /** `onUnused`: nobody writes to it any more, and nothing went wrong. */
  constructor(
    journal: Journal,
    defer: (callback: () => void) => void,
    onUnused: (queue: JournalQueue) => void = () => {},
  ) {
    this.journal = journal;
    this.#defer = defer;
    this.#onUnused = onUnused;
  }

  release(): void {
    this.jobs -= 1;
    this.#checkUnused();
  }

  #checkUnused(): void {
    if (this.jobs > 0 || this.#busy || this.#lazy.length > 0 || this.#writes.length > 0 || this.#failure)
      return;
    this.#onUnused(this);
  }

  /** `confirm`: the records decide outcomes, which may be shown only while this driver leads. */
  write(records: readonly JournalRecord[], confirm: boolean, done: (result: WriteResult) => void): void {
    this.#writes.push({ records, confirm, done });
    this.#drain();
  }

  /** A record that nothing waits for: it goes along with the next write, at the latest in the next turn. */
  writeLater(record: JournalRecord): void {
    if (this.#failure) return;
    this.#lazy.push(record);
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#defer(() => this.flush());
  }

  flush(): void {
    this.#flushPlanned = false;
    if (this.#lazy.length > 0) this.write([], false, () => {});
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    this.flush();
    if (this.#busy) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #drain(): void {
    while (!this.#busy && this.#writes.length > 0) {
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
      const appended = records.length > 0 ? this.journal.append(records) : [];
      if (appended instanceof Promise) {
        return appended
          .then((locations) => this.#confirmed(locations.slice(lazy.length), confirm))
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

const FENCED: WriteResult = { ok: false, why: "fenced", error: undefined };
const broken = (error: unknown): WriteResult => ({ ok: false, why: "broken", error });
