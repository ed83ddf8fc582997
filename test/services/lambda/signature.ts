import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { HttpRequest } from "@smithy/core/transport";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Caller } from "./account.ts";
import { AwsError } from "./errors.ts";

/** Who asks, in which region, which service. */
export interface Signed {
  readonly caller: Caller;
  readonly region: string;
  readonly service: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * Checks a request's signature by signing it anew, with AWS's own signer.
 *
 * @throws AwsError 403 as AWS words it
 */
export async function checkSignature(
  request: IncomingMessage,
  body: Buffer,
  callers: readonly Caller[],
): Promise<Signed> {
  const [, keyId, region, service, signedHeaders, signature] =
    AUTHORIZATION.exec(request.headers.authorization ?? "") ?? [];
  if (!keyId || !region || !service || !signedHeaders || !signature)
    throw new AwsError("MissingAuthenticationTokenException", 403, "Missing Authentication Token");
  const caller = callers.find(({ credentials }) => credentials.accessKeyId === keyId);
  if (!caller)
    throw new AwsError(
      "UnrecognizedClientException",
      403,
      "The security token included in the request is invalid.",
    );
  const url = new URL(request.url!, "http://localhost");
  const signer = new SignatureV4({
    ...{ credentials: caller.credentials, region, service },
    sha256: Sha256,
    applyChecksum: false,
  });
  const again = await signer.sign(
    new HttpRequest({
      method: request.method!,
      path: url.pathname,
      query: queryOf(url),
      headers: headersOf(request, signedHeaders.split(";")),
      body,
    }),
    { signingDate: dateOf(request), signableHeaders: new Set(signedHeaders.split(";")) },
  );
  const expected = AUTHORIZATION.exec(again.headers["authorization"] ?? "")?.[5] ?? "";
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(signature)))
    throw new AwsError(
      "InvalidSignatureException",
      403,
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
  return { caller, region, service };
}

function headersOf(request: IncomingMessage, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, String(request.headers[name] ?? "")]));
}

function queryOf(url: URL): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const key of url.searchParams.keys()) {
    const values = url.searchParams.getAll(key);
    query[key] = values.length === 1 ? values[0]! : values;
  }
  return query;
}

/** `20261128T232000Z` */
function dateOf(request: IncomingMessage): Date {
  const text = String(request.headers["x-amz-date"] ?? "");
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const date = new Date(iso);
  if (Number.isNaN(date.getTime()))
    throw new AwsError(
      "IncompleteSignatureException",
      400,
      `Date must be in ISO-8601 'basic format'. Got '${text}'.`,
    );
  return date;
}

/** What the signer hashes with. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = typeof secret === "string" || secret === undefined ? secret : bytesOf(secret);
    this.#hash = key === undefined ? createHash("sha256") : createHmac("sha256", key);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === "string" ? data : bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {}
}

const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
