import type { Clock } from "../clock.ts";
import { cancelFlagKey, driverKey } from "../job/keys.ts";
import { LEASE_RENEW_MS, newLease, writeLease } from "../job/lease.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";

/** Keeps a driver's lease in the store: written before its first journal, renewed, removed at the end. */
export class LeaseKeeper {
  readonly #store: ObjectStore;
  readonly #driverId: string;
  readonly #clock: Clock;
  #written: Promise<void> | undefined;
  #isWritten = false;
  #stopTimer: (() => void) | undefined;
  /** How long the first write took: a measure of the store. */
  writeMs = 0;

  constructor(store: ObjectStore, driverId: string, clock: Clock) {
    this.#store = store;
    this.#driverId = driverId;
    this.#clock = clock;
  }

  /** A promise only the first time. */
  ensure(): MaybePromise<void> {
    if (this.#isWritten) return;
    const startMs = this.#clock.nowMs();
    this.#written ??= this.#write().then(() => {
      this.#isWritten = true;
      this.writeMs = this.#clock.nowMs() - startMs;
      this.#renewLater();
    });
    this.#written.catch(() => {
      this.#written = undefined; // the next job tries again
    });
    return this.#written;
  }

  #write(): Promise<void> {
    return writeLease(this.#store, newLease(this.#driverId, this.#clock));
  }

  #renewLater(): void {
    this.#stopTimer = this.#clock.after(LEASE_RENEW_MS, () => {
      // A renewal that fails is no harm: the next one may work, and the epoch's claim is what fences.
      this.#write().catch(() => {});
      this.#renewLater();
    });
  }

  async close(): Promise<void> {
    this.#stopTimer?.();
    if (!this.#written) return;
    await this.#written.catch(() => {});
    await this.#store.delete([driverKey(this.#driverId), cancelFlagKey(this.#driverId)]);
  }
}
