import type { StorageRequests } from "../cost/ledger.ts";
import { type PriceTable, pricesIn } from "../cost/prices.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { StoreOperation } from "../storage/layers/layer.ts";
import { type MeteredStore, withMeter } from "../storage/layers/meter.ts";
import { paidRegion, type StoreLocation } from "../storage/locate.ts";

/** Counts a pool's requests to a store that costs something. */
export class StorageCost {
  readonly store: ObjectStore;
  readonly #metered: MeteredStore | undefined;
  readonly #prices: PriceTable | undefined;
  #taken: StorageRequests = { puts: 0, gets: 0 };

  constructor(store: ObjectStore, location: StoreLocation) {
    const region = paidRegion(location);
    if (region !== undefined) {
      this.#metered = withMeter(store);
      this.#prices = pricesIn(region);
    }
    this.store = this.#metered ?? store;
  }

  /** Requests since they were taken last: they are counted as the job's that ends. */
  take(): { readonly requests: StorageRequests; readonly prices: PriceTable } | undefined {
    if (!this.#metered || !this.#prices) return undefined;
    const all = requestsTo(this.#metered);
    const requests = { puts: all.puts - this.#taken.puts, gets: all.gets - this.#taken.gets };
    this.#taken = all;
    return { requests, prices: this.#prices };
  }
}

/** S3 has one price for PUT and LIST, another for GET and HEAD; DELETE is free. */
function requestsTo(store: MeteredStore): StorageRequests {
  const usage = store.usage();
  const sum = (...names: StoreOperation[]) =>
    names.reduce((all, name) => all + (usage[name]?.requests ?? 0), 0);
  return { puts: sum("put", "append", "list"), gets: sum("get", "getStream", "head", "exists") };
}
