import { randomUUID } from "node:crypto";
import { awakeClock, type Clock, type Random } from "../../clock.ts";
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
  /** Tries in all of what a server refused because it has too much to do. Default 4 × `attempts`. */
  readonly throttledAttempts?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A store that tries again what failed with STORE_UNAVAILABLE, after exponentially growing, wholly random waits.
 * Other failures, and the last one, go through. Not tried again: a `put` whose body is a stream (it can't be read
 * twice), `openLog`, and whatever a log does. A stream goes on where it broke off, which skips the check of the whole
 * object's checksum; a list goes on after its last key.
 *
 * A `put({ ifAbsent })` may have taken effect though it failed. The store learns by `tryOf` that it is asked again, and
 * answers `{ created: true }` for its own object if it can tell (S3 can); otherwise `{ created: false }`, and who must
 * know reads the object.
 *
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 ("full jitter").
 *
 * @example const store = withRetry(openDiskStore("/nfs/me/kinglet"), { attempts: 8 });
 */
export function withRetry(store: ObjectStore, options: RetryOptions = {}): ObjectStore {
  return new RetryLayer(store, options);
}

/** Calls `attempt` until it succeeds, or fails for good; tells it how many tries failed before. */
export type Retry = <T>(
  attempt: (failuresBefore: number) => Promise<T>,
  signal?: AbortSignal,
  failuresBefore?: number,
) => Promise<T>;

/** The retries of `withRetry`, for requests that are a part of an operation: a part of a big object. */
export function createRetry(options: RetryOptions = {}): Retry {
  const wait = createWait(options);
  return async (attempt, signal, failuresBefore = 0) => {
    for (let failures = failuresBefore; ; ) {
      try {
        return await attempt(failures);
      } catch (error) {
        await wait(error, ++failures, signal);
      }
    }
  };
}

/** Waits before the next try, or throws the error on. */
type Wait = (error: unknown, failures: number, signal?: AbortSignal) => Promise<void>;

function createWait(options: RetryOptions): Wait {
  const { attempts = 5, baseDelayMs = 50, maxDelayMs = 5_000 } = options;
  const { throttledAttempts = 4 * attempts, clock = awakeClock, random = Math.random } = options;
  return async (error, failures, signal) => {
    if (!isWorthRetry(error)) throw error;
    if (failures >= (isThrottled(error) ? throttledAttempts : attempts)) {
      givenUp.add(error as StoreError);
      throw error;
    }
    signal?.throwIfAborted();
    const longestMs = Math.min(maxDelayMs, baseDelayMs * 2 ** (failures - 1));
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(random() * longestMs, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = (): void => {
        cancel();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  };
}

class RetryLayer extends StoreLayer {
  readonly #retry: Retry;
  readonly #wait: Wait;

  constructor(inner: ObjectStore, options: RetryOptions) {
    super(inner);
    this.#retry = createRetry(options);
    this.#wait = createWait(options);
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
    const putId = randomUUID();
    return this.#retry(
      (earlierTries) => this.inner.put(key, body, { ...options, tryOf: { putId, earlierTries } }),
      options?.signal,
    );
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
}

/** Failures that have had their tries: retries around retries would multiply them. */
const givenUp = new WeakSet<StoreError>();

function isWorthRetry(error: unknown): boolean {
  return error instanceof StoreError && error.code === "STORE_UNAVAILABLE" && !givenUp.has(error);
}

/** The server asks for patience: it works, only not for so many at once. */
function isThrottled(error: unknown): boolean {
  return (error as { throttled?: unknown }).throttled === true;
}
