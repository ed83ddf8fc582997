import { chunksInMemory, sizeOf } from "../bodies.ts";
import type {
  GetOptions,
  ListOptions,
  LogWriter,
  MaybePromise,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
} from "../contract.ts";
import { StoreLayer, type StoreOperation, whenThere } from "./layer.ts";

export interface OperationUsage {
  readonly requests: number;
  /** Those of them that failed. */
  readonly failures: number;
  /** Read or written; of a put that left the object as it was, what it offered. */
  readonly sizeBytes: number;
  /** Spent in the store; overlapping requests count each. A consumer's time between pieces of a stream doesn't. */
  readonly elapsedMs: number;
}

export type StoreUsage = Readonly<Partial<Record<StoreOperation, OperationUsage>>>;

export interface MeteredStore extends ObjectStore {
  /** What was used since the meter was made: a snapshot. */
  usage(): StoreUsage;
}

/**
 * A store that counts requests, bytes and milliseconds by operation, for reports and costs.
 *
 * @param nowMs a clock of sub-millisecond steps; default `performance.now`
 * @example
 * const store = withMeter(openMemoryStore());
 * await store.get("a");
 * store.usage().get; // { requests: 1, failures: 0, sizeBytes: 12, elapsedMs: 0.02 }
 */
export function withMeter(store: ObjectStore, nowMs: () => number = () => performance.now()): MeteredStore {
  return new MeterLayer(store, nowMs);
}

type Count = { -readonly [Name in keyof OperationUsage]: OperationUsage[Name] };

class MeterLayer extends StoreLayer implements MeteredStore {
  readonly #nowMs: () => number;
  readonly #counts = new Map<StoreOperation, Count>();

  constructor(inner: ObjectStore, nowMs: () => number) {
    super(inner);
    this.#nowMs = nowMs;
  }

  usage(): StoreUsage {
    return Object.fromEntries([...this.#counts].map(([operation, count]) => [operation, { ...count }]));
  }

  override async get(key: string, options?: GetOptions) {
    return this.#count(
      "get",
      () => this.inner.get(key, options),
      (bytes) => bytes.byteLength,
    );
  }

  override getStream(key: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    return this.#countEach("getStream", this.inner.getStream(key, options), (piece) => piece.byteLength);
  }

  override async put(key: string, body: PutBody, options?: PutOptions) {
    const chunks = chunksInMemory(body);
    if (chunks !== undefined) {
      return this.#count(
        "put",
        () => this.inner.put(key, body, options),
        () => sizeOf(chunks),
      );
    }
    let sizeBytes = 0;
    const counted = async function* (): AsyncIterable<Uint8Array> {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        sizeBytes += chunk.byteLength;
        yield chunk;
      }
    };
    return this.#count(
      "put",
      () => this.inner.put(key, counted(), options),
      () => sizeBytes,
    );
  }

  override async head(key: string) {
    return this.#count("head", () => this.inner.head(key));
  }

  override list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#countEach("list", this.inner.list(prefix, options), () => 0);
  }

  override async delete(keys: readonly string[]) {
    return this.#count("delete", () => this.inner.delete(keys));
  }

  override exists(key: string): MaybePromise<boolean> {
    return this.#count("exists", () => this.inner.exists(key));
  }

  protected override openInnerLog(open: () => MaybePromise<LogWriter>): MaybePromise<LogWriter> {
    return whenThere(this.#count("openLog", open), (log): LogWriter => {
      return {
        key: log.key,
        get sizeBytes() {
          return log.sizeBytes;
        },
        append: (chunks) =>
          this.#count(
            "append",
            () => log.append(chunks),
            () => sizeOf(chunks),
          ),
        sync: () => this.#count("sync", () => log.sync()),
        close: () => log.close(),
      };
    });
  }

  #count<R extends MaybePromise<unknown>>(
    operation: StoreOperation,
    request: () => R,
    bytesOf: (result: Awaited<R>) => number = () => 0,
  ): R {
    const count = this.#countOf(operation);
    const startMs = this.#nowMs();
    const end = (): void => {
      count.elapsedMs += this.#nowMs() - startMs;
    };
    const failed = (error: unknown): never => {
      end();
      count.failures += 1;
      throw error;
    };
    const succeeded = (result: unknown): unknown => {
      end();
      count.sizeBytes += bytesOf(result as Awaited<R>);
      return result;
    };
    count.requests += 1;
    let result: R;
    try {
      result = request();
    } catch (error) {
      return failed(error);
    }
    return (result instanceof Promise ? result.then(succeeded, failed) : succeeded(result)) as R;
  }

  async *#countEach<T>(
    operation: StoreOperation,
    items: AsyncIterable<T>,
    bytesOf: (item: T) => number,
  ): AsyncIterable<T> {
    const count = this.#countOf(operation);
    count.requests += 1;
    const iterator = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const startMs = this.#nowMs();
        let next: IteratorResult<T>;
        try {
          next = await iterator.next();
        } catch (error) {
          count.failures += 1;
          throw error;
        } finally {
          count.elapsedMs += this.#nowMs() - startMs;
        }
        if (next.done) return;
        count.sizeBytes += bytesOf(next.value);
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  #countOf(operation: StoreOperation): Count {
    let count = this.#counts.get(operation);
    if (count === undefined) {
      count = { requests: 0, failures: 0, sizeBytes: 0, elapsedMs: 0 };
      this.#counts.set(operation, count);
    }
    return count;
  }
}
