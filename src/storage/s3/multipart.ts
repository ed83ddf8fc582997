import { StoreError } from "../../errors.ts";
import type { Retry } from "../layers/retry.ts";
import type { S3Client, S3Request } from "./client.ts";
import { escapeXml, parseXml, textOf } from "./xml.ts";

export interface MultipartUpload {
  readonly key: string;
  readonly object: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ifAbsent: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Whether the object that is there is this upload's own: asked where an answer was lost. */
  isOwn(): Promise<boolean>;
}

/** S3's limit. */
export const MAX_PARTS = 10_000;
const PARTS_IN_FLIGHT = 4;

/**
 * Uploads parts side by side and joins them; nothing is to be seen of them before that, nor if it fails.
 * @returns whether the object was made; false only with `ifAbsent`
 * @throws StoreError; whatever reading the parts throws
 */
export async function uploadParts(
  client: S3Client,
  retry: Retry,
  upload: MultipartUpload,
  parts: AsyncIterable<readonly Uint8Array[]> | Iterable<readonly Uint8Array[]>,
): Promise<boolean> {
  const { key, object, headers, signal } = upload;
  const request = { object, key, signal, action: `write ${JSON.stringify(key)}` };
  const uploadId = await retry(
    () => begin(client, { ...request, method: "POST", query: { uploads: "" }, headers }),
    signal,
  );
  const failed = new AbortController();
  const until = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const inFlight = new Set<Promise<void>>();
  const etags: string[] = [];
  try {
    for await (const body of parts) {
      until.throwIfAborted();
      const number = etags.push("");
      if (number > MAX_PARTS) throw tooBig(key);
      const sending = retry(async () => {
        const query = { partNumber: String(number), uploadId };
        const sent = await client.send({ ...request, method: "PUT", query, body, signal: until });
        etags[number - 1] = sent.headers["etag"] ?? "";
      }, until).finally(() => inFlight.delete(sending));
      inFlight.add(sending);
      // Heard of at the next await; the reading of the stream in between must not make it an unhandled rejection.
      sending.catch((error) => failed.abort(error));
      if (inFlight.size >= PARTS_IN_FLIGHT) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
    until.throwIfAborted();
    const created = await retry(
      (failuresBefore) => complete(client, upload, request, uploadId, etags, failuresBefore > 0),
      signal,
    );
    if (!created) await abort(client, request, uploadId);
    return created;
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(inFlight);
    await abort(client, request, uploadId);
    throw error;
  }
}

type Concerned = Omit<S3Request, "method">;

async function begin(client: S3Client, request: S3Request): Promise<string> {
  const response = await client.send(request);
  const uploadId = textOf(await parseXml(response.body), "UploadId");
  if (uploadId === undefined) throw await client.failure(request, response);
  return uploadId;
}

async function complete(
  client: S3Client,
  upload: MultipartUpload,
  concerned: Concerned,
  uploadId: string,
  etags: readonly string[],
  again: boolean,
): Promise<boolean> {
  const list = etags
    .map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`)
    .join("");
  const request: S3Request = {
    ...concerned,
    method: "POST",
    query: { uploadId },
    headers: { "content-type": "application/xml", ...(upload.ifAbsent ? { "if-none-match": "*" } : {}) },
    body: [Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`)],
    accept: [404, 412],
  };
  const response = await client.send(request);
  // The answer to an earlier try was lost: it may have joined the parts.
  if (response.status !== 200 && again && (await upload.isOwn())) return true;
  if (response.status === 412 && upload.ifAbsent) return false;
  // S3 begins its answer before it has joined the parts: a failure comes as 200, too.
  const xml = await parseXml(response.body);
  if (response.status === 200 && textOf(xml, "Code") === undefined) return true;
  throw await client.failure(request, response.status === 200 ? { ...response, status: 500 } : response);
}

/** Frees the space of the parts. Where even that fails, a rule of the bucket's life cycle is what helps. */
async function abort(client: S3Client, concerned: Concerned, uploadId: string): Promise<void> {
  const request = { ...concerned, signal: undefined, method: "DELETE", query: { uploadId } } as const;
  await client.send({ ...request, accept: [404] }).catch(() => {});
}

function tooBig(key: string): StoreError {
  return new StoreError(
    "STORE_REFUSED",
    `can't write ${JSON.stringify(key)}: it has more than ${MAX_PARTS} parts`,
    {
      remedy: "Split it: a stream of unknown length may have 156 GiB.",
      details: { key },
    },
  );
}
