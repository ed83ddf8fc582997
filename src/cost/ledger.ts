import type { AttemptUsage, ComputePrices } from "../compute/contract.ts";
import type { JobCost } from "../job.ts";
import type { PriceTable } from "./prices.ts";

/** What one attempt came to, and what of it was for nothing. */
export interface AttemptCost {
  /** Name of the prices. */
  readonly prices: string;
  readonly computeUsd: number;
  readonly requestUsd: number;
  readonly gbSeconds: number;
  /** Part of it that brought no outcome, 0…1. */
  readonly wastedPart: number;
  /** Why: it failed, or another attempt of the same tasks was first. */
  readonly waste: "retries" | "backups" | undefined;
}

/** How an attempt ended, as far as it decides what was wasted. */
export interface AttemptFate {
  readonly end: string;
  readonly count: number;
  /** Tasks whose outcomes it brought. */
  readonly reported: number;
  /** Its tasks, or some of them, ran elsewhere at the same time. */
  readonly raced: boolean;
}

/**
 * The price of an attempt: its billed time (initialisations are billed since August 2025) times its memory, and the request.
 * What an attempt that failed brought before isn't waste.
 */
export function costOfAttempt(usage: AttemptUsage, prices: ComputePrices, fate: AttemptFate): AttemptCost {
  const gbSeconds = (usage.billedMs / 1000) * (usage.memoryMb / 1024);
  const isLost = fate.end !== "ok";
  const wastedPart = isLost && fate.count > 0 ? 1 - Math.min(1, fate.reported / fate.count) : 0;
  return {
    prices: prices.name,
    gbSeconds,
    computeUsd: gbSeconds * prices.usdPerGbSecond,
    requestUsd: prices.usdPerRequest,
    wastedPart,
    waste: wastedPart === 0 ? undefined : fate.raced && fate.end === "cancelled" ? "backups" : "retries",
  };
}

export const usdOf = ({ computeUsd, requestUsd }: AttemptCost): number => computeUsd + requestUsd;

type Sum = { -readonly [K in keyof JobCost]: JobCost[K] };

/** What a job, or several, cost so far: a fold over attempts and storage requests. Nothing costs less than nothing. */
export class Ledger {
  readonly #sum: Sum;

  constructor(prices: string) {
    this.#sum = { ...NOTHING, prices };
  }

  addAttempt(cost: AttemptCost): void {
    const sum = this.#sum;
    if (sum.prices === "") sum.prices = cost.prices;
    sum.gbSeconds += cost.gbSeconds;
    sum.invocations += 1;
    sum.computeUsd += cost.computeUsd;
    sum.requestsUsd += cost.requestUsd;
    const usd = usdOf(cost);
    sum.usd += usd;
    if (cost.waste === "retries") sum.wastedByRetriesUsd += usd * cost.wastedPart;
    if (cost.waste === "backups") sum.wastedByBackupsUsd += usd * cost.wastedPart;
  }

  addStorage(requests: StorageRequests, prices: PriceTable): void {
    this.addStorageUsd(storageUsd(requests, prices));
  }

  addStorageUsd(usd: number): void {
    this.#sum.storageUsd += usd;
    this.#sum.usd += usd;
  }

  addAll(other: JobCost): void {
    const sum = this.#sum;
    for (const name of AMOUNTS) sum[name] += other[name];
    if (sum.prices === "") sum.prices = other.prices;
  }

  get total(): JobCost {
    return { ...this.#sum };
  }
}

/** Of what costs nothing. */
export const NOTHING: JobCost = {
  usd: 0,
  computeUsd: 0,
  requestsUsd: 0,
  storageUsd: 0,
  wastedByRetriesUsd: 0,
  wastedByBackupsUsd: 0,
  gbSeconds: 0,
  invocations: 0,
  prices: "",
};
const AMOUNTS = Object.keys(NOTHING).filter((name) => name !== "prices") as Exclude<
  keyof JobCost,
  "prices"
>[];

export interface StorageRequests {
  /** PUT and LIST. */
  readonly puts: number;
  /** GET and HEAD. */
  readonly gets: number;
}

export const storageUsd = ({ puts, gets }: StorageRequests, { s3 }: PriceTable): number =>
  puts * s3.usdPerPut + gets * s3.usdPerGet;
