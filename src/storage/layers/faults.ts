import { type Clock, type Random, seededRandom, systemClock } from "../../clock.ts";
import { StoreError } from "../../errors.ts";
import { allChunks, sizeOf } from "../bodies.ts";
import type {
  AppendPlace,
  GetOptions,
  ListOptions,
  LogWriter,
  MaybePromise,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
} from "../contract.ts";
import { logEnded } from "../failures.ts";
import { StoreLayer, type StoreOperation, whenThere } from "./layer.ts";

/** How often an operation goes wrong, each from 0 to 1. */
export interface FaultRates {
  /** It fails with STORE_UNAVAILABLE, and nothing happened. */
  readonly before?: number;
  /** It takes effect, and fails with STORE_UNAVAILABLE all the same. */
  readonly after?: number;
  /** Of `append`: a part of the bytes is written, and it fails. */
  readonly torn?: number;
  /** It waits first, between 0 and `maxDelayMs`. */
  readonly delay?: number;
}

export interface FaultPlan {
  /** The same seed and the same calls give the same faults. Print it where a test fails. */
  readonly seed: number;
  readonly rates?: Readonly<Partial<Record<StoreOperation, FaultRates>>>;
  readonly maxDelayMs?: number;
  readonly clock?: Clock;
  /** From this many bytes on, puts and appends fail with STORE_FULL; the append that reaches it is torn. */
  readonly fullAfterBytes?: number;
  /**
   * Crashes at this I/O boundary, counted from 0: there is one before each operation, one after each that changes
   * the store, and one in the middle of each append. Try every number below `boundaries` of a run without faults.
   */
  readonly crashAt?: number;
  /** What crashing is, e.g. `() => process.kill(process.pid, "SIGKILL")`. Default: this and all later calls throw. */
  readonly onCrash?: () => void;
}

export interface FaultyStore extends ObjectStore {
  /** I/O boundaries passed so far. */
  boundaries(): number;
}

/** What every call of a crashed store throws; no error of a store, so that nothing handles it. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/**
 * A store that fails as the plan says, for tests and simulation.
 *
 * @example
 * const store = withFaults(openMemoryStore(), { seed: 7, rates: { put: { before: 0.1, after: 0.1 } } });
 */
export function withFaults(store: ObjectStore, plan: FaultPlan): FaultyStore {
  return new FaultLayer(store, plan);
}

class FaultLayer extends StoreLayer implements FaultyStore {
  readonly #plan: FaultPlan;
  readonly #random: Random;
  readonly #clock: Clock;
  #boundaries = 0;
  #crashed = false;
  #writtenBytes = 0;

  constructor(inner: ObjectStore, plan: FaultPlan) {
    super(inner);
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#clock = plan.clock ?? systemClock;
  }

  boundaries(): number {
    return this.#boundaries;
  }

  override async get(key: string, options?: GetOptions) {
    return this.#read("get", key, () => this.inner.get(key, options));
  }

  override async *getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    await this.#read("getStream", key, () => undefined);
    for await (const piece of this.inner.getStream(key, options)) {
      yield piece;
      // A connection may break off anywhere in a stream.
      await this.#read("getStream", key, () => undefined);
    }
  }

  override async put(key: string, body: PutBody, options?: PutOptions) {
    const chunks = await allChunks(body, options?.signal);
    return this.#change("put", key, () => {
      this.#fill(sizeOf(chunks), key);
      return this.inner.put(key, chunks, options);
    });
  }

  override async head(key: string) {
    return this.#read("head", key, () => this.inner.head(key));
  }

  override async *list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    await this.#read("list", prefix, () => undefined);
    yield* this.inner.list(prefix, options);
  }

  override async delete(keys: readonly string[]) {
    return this.#change("delete", keys[0] ?? "", () => this.inner.delete(keys));
  }

  override exists(key: string): MaybePromise<boolean> {
    return this.#read("exists", key, () => this.inner.exists(key));
  }

  protected override openInnerLog(open: () => MaybePromise<LogWriter>, key: string): MaybePromise<LogWriter> {
    return whenThere(this.#change("openLog", key, open), (log) => this.#faultyLog(log));
  }

  #faultyLog(log: LogWriter): LogWriter {
    let ended = false;
    const endWith = (error: unknown): never => {
      ended = true;
      throw error;
    };
    const append = (chunks: readonly Uint8Array[]): MaybePromise<AppendPlace> => {
      if (ended) throw logEnded(log.key, "an earlier append failed");
      const sizeBytes = sizeOf(chunks);
      const roomBytes = (this.#plan.fullAfterBytes ?? Number.POSITIVE_INFINITY) - this.#writtenBytes;
      const torn = this.#happens("append", "torn");
      const tornBytes = Math.floor(this.#random() * sizeBytes);
      const half = (): MaybePromise<unknown> => log.append(cutAt(chunks, Math.floor(sizeBytes / 2)));
      if (this.#boundary(half)) throw crashed();
      if (sizeBytes > roomBytes) {
        this.#writtenBytes += roomBytes;
        return whenThere(log.append(cutAt(chunks, roomBytes)), () => endWith(full(log.key)));
      }
      this.#writtenBytes += sizeBytes;
      if (torn)
        return whenThere(log.append(cutAt(chunks, tornBytes)), () => endWith(unavailable("append", log.key)));
      return log.append(chunks);
    };
    return {
      key: log.key,
      get sizeBytes() {
        return log.sizeBytes;
      },
      append: (chunks) => this.#change("append", log.key, () => append(chunks), endWith),
      sync: () => this.#change("sync", log.key, () => log.sync()),
      close: () => log.close(),
    };
  }

  #read<T>(operation: StoreOperation, key: string, request: () => MaybePromise<T>): MaybePromise<T> {
    const fails = this.#happens(operation, "before");
    return whenThere(this.#delay(operation), () => {
      if (this.#boundary()) throw crashed();
      if (fails) throw unavailable(operation, key);
      return request();
    });
  }

  /** @param failAfter throws the error of an operation that took effect */
  #change<T>(
    operation: StoreOperation,
    key: string,
    request: () => MaybePromise<T>,
    failAfter: (error: unknown) => never = (error) => {
      throw error;
    },
  ): MaybePromise<T> {
    // Drawn at once, so that the order of calls alone decides and not the order in which they end.
    const fails = this.#happens(operation, "after");
    return whenThere(this.#read(operation, key, request), (result) => {
      if (this.#boundary()) throw crashed();
      return fails ? failAfter(unavailable(operation, key)) : result;
    });
  }

  #happens(operation: StoreOperation, kind: keyof FaultRates): boolean {
    const rate = this.#plan.rates?.[operation]?.[kind] ?? 0;
    return rate > 0 && this.#random() < rate;
  }

  #delay(operation: StoreOperation): MaybePromise<void> {
    if (!this.#happens(operation, "delay")) return undefined;
    const delayMs = this.#random() * (this.#plan.maxDelayMs ?? 100);
    return new Promise((resolve) => this.#clock.after(delayMs, resolve));
  }

  /** Whether the process is dead from here on. `atCrash` is what still happens at the moment of the crash. */
  #boundary(atCrash?: () => void): boolean {
    if (this.#crashed) return true;
    this.#crashed = this.#boundaries === this.#plan.crashAt;
    this.#boundaries += 1;
    if (!this.#crashed) return false;
    atCrash?.();
    this.#plan.onCrash?.();
    return true;
  }

  #fill(sizeBytes: number, key: string): void {
    const { fullAfterBytes = Number.POSITIVE_INFINITY } = this.#plan;
    if (this.#writtenBytes + sizeBytes > fullAfterBytes) throw full(key);
    this.#writtenBytes += sizeBytes;
  }
}

function crashed(): SimulatedCrash {
  return new SimulatedCrash("the process crashed here, as its fault plan says");
}

function unavailable(operation: StoreOperation, key: string): StoreError {
  const message = `can't ${operation} ${JSON.stringify(key)}: the fault plan makes the store unavailable`;
  return new StoreError("STORE_UNAVAILABLE", message, { details: { key } });
}

function full(key: string): StoreError {
  return new StoreError(
    "STORE_FULL",
    `can't write ${JSON.stringify(key)}: the fault plan makes the store full`,
    {
      details: { key },
    },
  );
}

function cutAt(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array[] {
  const kept: Uint8Array[] = [];
  let left = sizeBytes;
  for (const chunk of chunks) {
    if (left <= 0) break;
    kept.push(chunk.subarray(0, left));
    left -= chunk.byteLength;
  }
  return kept;
}
