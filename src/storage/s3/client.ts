import type { CredentialSource } from "../../aws/credentials.ts";
import { type Credentials, escapePath, escapeQuery, Signer } from "../../aws/sign.ts";
import type { Clock } from "../../clock.ts";
import type { StoreError } from "../../errors.ts";
import { chain } from "../../maybe.ts";
import type { MaybePromise } from "../contract.ts";
import type { Throttle } from "../layers/throttle.ts";
import { type Concern, failureOf, lostFailure } from "./failures.ts";
import type { S3Address } from "./location.ts";
import { type Proof, Prover } from "./proof.ts";
import type { HttpRequest, HttpResponse, RequestBody, Transport } from "./transport.ts";

export interface S3Request {
  readonly method: HttpRequest["method"];
  /** Name of the object in the bucket; absent for requests about the bucket. */
  readonly object?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal?: AbortSignal | undefined;
  /** As HttpRequest's. */
  readonly into?: HttpRequest["into"];
  /** Statuses beside 2xx that are answers, not failures. */
  readonly accept?: readonly number[];
  /** What it is for, e.g. `write "a/b"`. */
  readonly action: string;
  /** The store's key, where one is concerned. */
  readonly key?: string;
}

export interface S3ClientParts {
  readonly address: S3Address;
  readonly bucket: string;
  /** The store's description. */
  readonly where: string;
  readonly credentials: CredentialSource;
  readonly transport: Transport;
  readonly throttle: Throttle;
  readonly clock: Clock;
}

/** Signs and sends requests for one bucket, and says as StoreErrors what went wrong. One try each. */
export class S3Client {
  readonly #parts: S3ClientParts;
  readonly #signer: Signer;
  readonly #prover: Prover;
  readonly #counts = new Map<string, number>();

  constructor(parts: S3ClientParts) {
    this.#parts = parts;
    this.#signer = new Signer(parts.address.region, "s3");
    this.#prover = new Prover(parts.address.origin.startsWith("https:"));
  }

  /** HTTP requests sent so far, by method: what S3 charges for. */
  get requests(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** @throws StoreError; the signal's reason */
  async send(request: S3Request): Promise<HttpResponse> {
    const response = await this.#try(request);
    const { status } = response;
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return response;
    const failure = await this.failure(request, response);
    if (!hasExpired(failure) || !this.#parts.credentials.renew()) throw failure;
    // The clock of who issued the credentials may differ from ours: they can end before we think so.
    const second = await this.#try(request);
    if (second.status < 300 || request.accept?.includes(second.status)) return second;
    throw await this.failure(request, second);
  }

  /** The StoreError of an answer that was accepted and yet is none. */
  failure(request: S3Request, response: HttpResponse): Promise<StoreError> {
    return failureOf(response, this.#concern(request), this.#parts.clock.nowMs());
  }

  async close(): Promise<void> {
    await this.#parts.transport.close();
  }

  async #try(request: S3Request): Promise<HttpResponse> {
    const { throttle, credentials, address } = this.#parts;
    try {
      return await throttle.run(
        () => chain(credentials.get(), (known) => this.#dispatch(request, known)) as Promise<HttpResponse>,
        ({ status }) => (status === 503 || status === 429 ? "throttled" : "answered"),
        request.signal,
      );
    } catch (error) {
      throw lostFailure(error, this.#concern(request), address.origin);
    }
  }

  #dispatch(request: S3Request, credentials: Credentials): MaybePromise<HttpResponse> {
    return chain(this.#prover.proofOf(request.body), (proof) => this.#send(request, credentials, proof));
  }

  #send(request: S3Request, credentials: Credentials, proof: Proof): Promise<HttpResponse> {
    const { address, transport, clock } = this.#parts;
    const { method, object, body, signal, into } = request;
    const path = object === undefined ? address.basePath || "/" : `${address.basePath}/${escapePath(object)}`;
    const query = request.query === undefined ? "" : escapeQuery(request.query);
    const headers = this.#signer.sign(
      {
        method,
        host: address.host,
        path,
        query,
        headers: { ...request.headers, ...proof.headers },
        bodySha256: proof.sha256,
      },
      credentials,
      clock.nowMs(),
    );
    this.#counts.set(method, (this.#counts.get(method) ?? 0) + 1);
    return transport.send({
      method,
      path: query === "" ? path : `${path}?${query}`,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      ...(into === undefined ? {} : { into }),
    });
  }

  #concern(request: S3Request): Concern {
    const { where, bucket, address } = this.#parts;
    const { action, key, method } = request;
    return {
      action,
      where,
      bucket,
      region: address.region,
      writes: method !== "GET" && method !== "HEAD",
      ...(key === undefined ? {} : { key }),
    };
  }
}

const hasExpired = (failure: StoreError): boolean =>
  /^(ExpiredToken|ExpiredTokenException|TokenRefreshRequired)$/.test(
    String((failure as { serverCode?: unknown }).serverCode),
  );
