import { randomUUID } from "node:crypto";
import { StoreError } from "../../errors.ts";
import { chunksInMemory, join, sizeOf } from "../bodies.ts";
import type { PutBody, PutOptions } from "../contract.ts";
import type { Retry } from "../layers/retry.ts";
import { STREAM_PART_BYTES } from "../part-size.ts";
import { CRC_HEADER, crcOf, PART_HEADER, PUT_HEADER } from "./checksums.ts";
import type { S3Client } from "./client.ts";
import { MAX_PARTS, type MultipartUpload, uploadParts } from "./multipart.ts";
import { partsOf, slicesOf } from "./parts.ts";
import { spool } from "./spool.ts";
import type { RequestBody } from "./transport.ts";

export interface UploadParts {
  readonly client: S3Client;
  readonly retry: Retry;
  nameOf(key: string): string;
  /** Whether the server joins parts only where there is no object yet, if so asked. */
  joinsIfAbsent(): Promise<boolean>;
}

/** Bigger bodies go up in parts, side by side. */
export const PART_BYTES = STREAM_PART_BYTES;
const MULTIPART_FROM_BYTES = 2 * PART_BYTES;
/** S3's limit for a body that goes up whole. */
const MAX_WHOLE_BYTES = 5 * 1024 ** 3;
/** Lists of small chunks are joined: a write to the socket for each would cost more. */
const JOIN_UP_TO_BYTES = 256 * 1024;

/** One put, as all its steps see it. */
interface Put {
  readonly key: string;
  readonly ifAbsent: boolean;
  readonly putId: string;
  /** An earlier try may have made the object. */
  readonly again: boolean;
  readonly signal: AbortSignal | undefined;
}

/** @returns whether the object was made; false only with `ifAbsent` */
export async function putObject(
  parts: UploadParts,
  key: string,
  body: PutBody,
  { ifAbsent = false, signal, tryOf }: PutOptions,
): Promise<boolean> {
  const putId = tryOf?.putId ?? randomUUID();
  const put: Put = { key, ifAbsent, putId, again: (tryOf?.earlierTries ?? 0) > 0, signal };
  const chunks = chunksInMemory(body);
  if (chunks === undefined) return putStream(parts, put, body as AsyncIterable<Uint8Array>);
  const sizeBytes = sizeOf(chunks);
  if (sizeBytes < MULTIPART_FROM_BYTES) return putChunks(parts, put, chunks, sizeBytes);
  if (ifAbsent && !(await parts.joinsIfAbsent())) return putChunks(parts, put, chunks, sizeBytes);
  if (put.again && (await isOwn(parts, put))) return true;
  const partBytes = Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS));
  const upload = multipartOf(parts, put, { [CRC_HEADER]: crcOf(chunks) });
  return uploadParts(parts.client, parts.retry, upload, slicesOf(chunks, partBytes));
}

async function putStream(parts: UploadParts, put: Put, body: AsyncIterable<Uint8Array>): Promise<boolean> {
  const { ifAbsent, signal } = put;
  const incoming = partsOf(body, PART_BYTES, signal);
  try {
    const first = (await incoming.next()).value!;
    const firstBytes = sizeOf(first);
    if (firstBytes < PART_BYTES)
      return await parts.retry((n) => putChunks(parts, tried(put, n), first, firstBytes), signal);
    if (ifAbsent && (await headersOf(parts, put)) !== undefined) return false;
    const all = prepended(first, incoming);
    if (ifAbsent && !(await parts.joinsIfAbsent())) return await putSpooled(parts, put, all);
    const upload = multipartOf(parts, put, { [PART_HEADER]: String(PART_BYTES) });
    return await uploadParts(parts.client, parts.retry, upload, all);
  } finally {
    await incoming.return();
  }
}

async function putChunks(
  parts: UploadParts,
  put: Put,
  chunks: readonly Uint8Array[],
  sizeBytes: number,
): Promise<boolean> {
  const body = chunks.length > 1 && sizeBytes <= JOIN_UP_TO_BYTES ? [join(chunks)] : chunks;
  return putWhole(parts, put, body, sizeBytes, crcOf(body));
}

/**
 * Where a server joins parts over an object that is there, only one request can make an object if it is absent: it needs
 * the length and the checksum first, so the stream is kept in a file meanwhile.
 */
async function putSpooled(
  parts: UploadParts,
  put: Put,
  body: AsyncIterable<readonly Uint8Array[]>,
): Promise<boolean> {
  const spooled = await spool(body, put.key);
  try {
    return await parts.retry(
      (n) => putWhole(parts, tried(put, n), spooled, spooled.sizeBytes, spooled.crc),
      put.signal,
    );
  } finally {
    await spooled.close();
  }
}

const tried = (put: Put, failures: number): Put => (failures > 0 ? { ...put, again: true } : put);

/** One request. */
async function putWhole(
  parts: UploadParts,
  put: Put,
  body: RequestBody,
  sizeBytes: number,
  crc: string,
): Promise<boolean> {
  const { key, ifAbsent, putId, signal } = put;
  if (sizeBytes > MAX_WHOLE_BYTES) throw tooBig(key, sizeBytes);
  const { status } = await parts.client.send({
    method: "PUT",
    object: parts.nameOf(key),
    headers: {
      [CRC_HEADER]: crc,
      ...(ifAbsent ? { "if-none-match": "*", [PUT_HEADER]: putId } : {}),
    },
    body,
    signal,
    ...(ifAbsent ? { accept: [412] } : {}),
    action: `write ${JSON.stringify(key)}`,
    key,
  });
  if (status !== 412) return true;
  // The answer to an earlier try was lost: it may be that one's object which is there.
  return put.again && isOwn(parts, put);
}

function multipartOf(
  parts: UploadParts,
  put: Put,
  headers: Readonly<Record<string, string>>,
): MultipartUpload {
  const { key, ifAbsent, putId, signal } = put;
  return {
    key,
    object: parts.nameOf(key),
    headers: { ...headers, [PUT_HEADER]: putId },
    ifAbsent,
    signal,
    isOwn: () => isOwn(parts, put),
  };
}

async function isOwn(parts: UploadParts, put: Put): Promise<boolean> {
  return (await headersOf(parts, put))?.[PUT_HEADER] === put.putId;
}

async function headersOf(
  { client, nameOf, retry }: UploadParts,
  { key, signal }: Put,
): Promise<Readonly<Record<string, string>> | undefined> {
  const action = `look for ${JSON.stringify(key)}`;
  const request = { method: "HEAD", object: nameOf(key), signal, accept: [404], action, key } as const;
  const { status, headers } = await retry(() => client.send(request), signal);
  return status === 404 ? undefined : headers;
}

async function* prepended<T>(first: T, rest: AsyncIterable<T>): AsyncIterable<T> {
  yield first;
  yield* rest;
}

function tooBig(key: string, sizeBytes: number): StoreError {
  const message = `can't write ${JSON.stringify(key)}, ${sizeBytes} bytes, if it is absent: S3 takes 5 GiB at once`;
  return new StoreError("STORE_REFUSED", message, {
    remedy: "Split it, or write it under a key of its own without ifAbsent.",
    details: { key },
  });
}
