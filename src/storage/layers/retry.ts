import { type Clock, type Random, systemClock } from "../../clock.ts";
import { StoreError } from "../../errors.ts";
import { chunksInMemory } from "../bodies.ts";
import type {
  GetOptions,
  ListOptions,
  MaybePromise,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
} from "../contract.ts";
import { StoreLayer } from "./layer.ts";

export interface RetryOptions {
  /** Tries in all, the first included. Default 5. */
  readonly attempts?: number;
  /** The wait before the second try is between 0 and this; each further one may be twice as long. Default 50. */
  readonly baseDelayMs?: number;
  /** No wait is longer. Default 5,000. */
  readonly maxDelayMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A store that tries again what failed with STORE_UNAVAILABLE, after exponentially growing, wholly random waits.
 * Other failures, and the last one, go through. Not tried again: a `put` whose body is a stream (it can't be read
 * twice), `openLog`, and whatever a log does. A stream goes on where it broke off, which skips the check of the whole
 * object's checksum; a list goes on after its last key.
 *
 * A `put({ ifAbsent })` may have taken effect though it failed; then the next try says `{ created: false }`. Who must
 * know whether the object is its own reads it.
 *
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 ("full jitter").
 *
 * @example const store = withRetry(openDiskStore("/nfs/me/kinglet"), { attempts: 8 });
 */
export function withRetry(store: ObjectStore, options: RetryOptions = {}): ObjectStore {
  return new RetryLayer(store, options);
}

class RetryLayer extends StoreLayer {
  readonly #attempts: number;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(inner: ObjectStore, options: RetryOptions) {
    super(inner);
    this.#attempts = options.attempts ?? 5;
    this.#baseDelayMs = options.baseDelayMs ?? 50;
    this.#maxDelayMs = options.maxDelayMs ?? 5_000;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  override get(key: string, options?: GetOptions) {
    return this.#retry(() => this.inner.get(key, options), options?.signal);
  }

  override async *getStream(key: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    const { offsetBytes, lengthBytes } = options.range ?? {
      offsetBytes: 0,
      lengthBytes: Number.MAX_SAFE_INTEGER,
    };
    let doneBytes = 0;
    let failures = 0;
    for (;;) {
      const rest = { offsetBytes: offsetBytes + doneBytes, lengthBytes: lengthBytes - doneBytes };
      try {
        for await (const piece of this.inner.getStream(
          key,
          doneBytes === 0 ? options : { ...options, range: rest },
        )) {
          doneBytes += piece.byteLength;
          failures = 0;
          yield piece;
        }
        return;
      } catch (error) {
        await this.#wait(error, ++failures, options.signal);
      }
    }
  }

  override put(key: string, body: PutBody, options?: PutOptions) {
    if (chunksInMemory(body) === undefined) return this.inner.put(key, body, options);
    return this.#retry(() => this.inner.put(key, body, options), options?.signal);
  }

  override head(key: string) {
    return this.#retry(() => this.inner.head(key));
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let after = options.after;
    let failures = 0;
    for (;;) {
      try {
        for await (const info of this.inner.list(prefix, after === undefined ? {} : { after })) {
          after = info.key;
          failures = 0;
          yield info;
        }
        return;
      } catch (error) {
        await this.#wait(error, ++failures);
      }
    }
  }

  override delete(keys: readonly string[]) {
    return this.#retry(() => this.inner.delete(keys));
  }

  /** Stays synchronous as long as the first try goes well. */
  override exists(key: string): MaybePromise<boolean> {
    const goOn = async (error: unknown): Promise<boolean> => {
      await this.#wait(error, 1);
      return this.#retry(async () => this.inner.exists(key), undefined, 1);
    };
    try {
      const found = this.inner.exists(key);
      return found instanceof Promise ? found.catch(goOn) : found;
    } catch (error) {
      if (!isWorthRetry(error)) throw error;
      return goOn(error);
    }
  }

  async #retry<T>(attempt: () => Promise<T>, signal?: AbortSignal, failedBefore = 0): Promise<T> {
    for (let failures = failedBefore; ; ) {
      try {
        return await attempt();
      } catch (error) {
        await this.#wait(error, ++failures, signal);
      }
    }
  }

  /** Waits before the next try, or throws the error on. */
  async #wait(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
    if (!isWorthRetry(error) || failures >= this.#attempts) throw error;
    signal?.throwIfAborted();
    const longestMs = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** (failures - 1));
    const delayMs = this.#random() * longestMs;
    await new Promise<void>((resolve, reject) => {
      const cancel = this.#clock.after(delayMs, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = (): void => {
        cancel();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}

function isWorthRetry(error: unknown): boolean {
  return error instanceof StoreError && error.code === "STORE_UNAVAILABLE";
}
