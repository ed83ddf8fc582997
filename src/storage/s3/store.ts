import { type CredentialSource, credentialSource } from "../../aws/credentials.ts";
import { awakeClock, type Clock } from "../../clock.ts";
import type {
  GetOptions,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  PutBody,
  PutOptions,
  PutResult,
} from "../contract.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { createRetry, type Retry, type RetryOptions } from "../layers/retry.ts";
import { Throttle } from "../layers/throttle.ts";
import { type CheckedStore, checkStore, joinsIfAbsent, MARKER } from "./check.ts";
import { S3Client } from "./client.ts";
import { deleteObjects } from "./deleting.ts";
import { getObject, streamObject } from "./download.ts";
import { listObjects } from "./listing.ts";
import { addressOf, type S3Location, showS3Location } from "./location.ts";
import { createTransport, type Transport } from "./transport.ts";
import { putObject } from "./upload.ts";

export interface S3StoreOptions {
  /** Default: the environment's, else AWS's provider chain. */
  readonly credentials?: CredentialSource;
  /** Connections, and requests in flight, at most. Default 64. */
  readonly connections?: number;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** The longest time without a byte either way. Default 30,000. */
  readonly stallTimeoutMs?: number;
  /** Tries of the pieces of big objects; whole operations are the retry layer's (`withRetry`). */
  readonly retry?: RetryOptions;
  /** Default: HTTP/1.1. */
  readonly transport?: Transport;
  readonly clock?: Clock;
}

/** An object store in a bucket. */
export interface S3Store extends ObjectStore {
  /**
   * Asks once, by two or three requests, whether the store can be written and read and has put-if-absent.
   * @throws StoreError STORE_REFUSED, STORE_UNWRITABLE, STORE_VERSION, STORE_UNAVAILABLE
   */
  check(): Promise<void>;
  /** HTTP requests sent so far, by method. */
  readonly requests: Readonly<Record<string, number>>;
}

/**
 * Objects in a bucket of AWS S3 or a server that speaks its protocol. A key's object is `<prefix>/<key>`, its bytes are
 * the object's bytes: other programs can read it. Sends nothing before it is used.
 *
 * Put-if-absent is a conditional write (`If-None-Match: *`). Uploads are signed with their SHA-256, so that the server
 * refuses damaged ones; whole objects are compared with their CRC-32 as they are read.
 *
 * @throws UsageError BAD_OPTION where no region is known
 * @example
 * const store = openS3Store({ kind: "s3", bucket: "my-bucket", prefix: "kinglet", region: "eu-west-1" });
 * await store.check();
 */
export function openS3Store(location: S3Location, options: S3StoreOptions = {}): S3Store {
  return new BucketStore(location, options);
}

const CHECK_ATTEMPTS = 5;

class BucketStore implements S3Store {
  readonly description: string;
  readonly capabilities = { append: false as const, putIfAbsent: true, durable: true };
  readonly where: string;
  readonly client: S3Client;
  readonly retry: Retry;
  readonly #before: string;
  readonly #checked: CheckedStore;
  readonly #checkRetry: Retry;
  #check: Promise<void> | undefined;
  #joinsIfAbsent: Promise<boolean> | undefined;

  constructor(location: S3Location, options: S3StoreOptions) {
    const { connections = 64, connectTimeoutMs = 5_000, stallTimeoutMs = 30_000 } = options;
    const address = addressOf(location);
    const clock = options.clock ?? awakeClock;
    this.description = showS3Location(location);
    this.where = this.description;
    this.#before = location.prefix === "" ? "" : `${location.prefix}/`;
    this.retry = createRetry({ clock, ...options.retry });
    this.client = new S3Client({
      address,
      bucket: location.bucket,
      where: this.where,
      credentials: options.credentials ?? credentialSource(),
      transport: options.transport ?? createTransport(address.origin, { connectTimeoutMs, stallTimeoutMs }),
      throttle: new Throttle({ maxInFlight: connections, clock }),
      clock,
    });
    this.#checked = {
      client: this.client,
      retry: this.retry,
      where: this.where,
      marker: this.#before + MARKER,
    };
    // Who waits for a first answer shall hear soon that there is none.
    const attempts = Math.min(options.retry?.attempts ?? CHECK_ATTEMPTS, CHECK_ATTEMPTS);
    this.#checkRetry = createRetry({ clock, ...options.retry, attempts });
  }

  get requests(): Readonly<Record<string, number>> {
    return this.client.requests;
  }

  check(): Promise<void> {
    if (this.#check === undefined) {
      this.#check = checkStore({ ...this.#checked, retry: this.#checkRetry });
      this.#check.catch(() => {
        this.#check = undefined;
      });
    }
    return this.#check;
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    checkKey(key);
    return getObject(this, key, options);
  }

  async *getStream(key: string, options: GetOptions = {}): AsyncIterable<Uint8Array> {
    checkKey(key);
    yield* streamObject(this, key, options);
  }

  async put(key: string, body: PutBody, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key);
    options.signal?.throwIfAborted();
    return { created: await putObject(this, key, body, options) };
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const action = `look for ${JSON.stringify(key)}`;
    const object = this.nameOf(key);
    const { status, headers } = await this.client.send({
      method: "HEAD",
      object,
      accept: [404],
      action,
      key,
    });
    if (status === 404) return undefined;
    return {
      key,
      sizeBytes: Number(headers["content-length"]),
      modifiedMs: Date.parse(headers["last-modified"] ?? ""),
      ...(headers["etag"] ? { version: headers["etag"] } : {}),
    };
  }

  async exists(key: string): Promise<boolean> {
    return (await this.head(key)) !== undefined;
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    checkPrefix(prefix);
    return listObjects(this.client, this.#before, prefix, options);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    if (keys.length > 0) await deleteObjects(this.client, keys, this.nameOf);
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  readonly nameOf = (key: string): string => this.#before + key;

  readonly joinsIfAbsent = (): Promise<boolean> => {
    this.#joinsIfAbsent ??= joinsIfAbsent(this.#checked);
    this.#joinsIfAbsent.catch(() => {
      this.#joinsIfAbsent = undefined;
    });
    return this.#joinsIfAbsent;
  };
}
