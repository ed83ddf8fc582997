import type { GetOptions } from "../contract.ts";
import { corrupt } from "../failures.ts";
import type { Retry } from "../layers/retry.ts";
import { type BodyCheck, bodyCheck } from "./checksums.ts";
import type { S3Client, S3Request } from "./client.ts";
import { unfilled } from "./http/answer.ts";
import type { HttpResponse } from "./transport.ts";

export interface DownloadParts {
  readonly client: S3Client;
  readonly retry: Retry;
  readonly where: string;
  nameOf(key: string): string;
}

/** A stream asks for so much at a time; so many pieces are on their way at once, which bounds its memory. */
export const PIECE_BYTES = 16 * 1024 * 1024;
const PIECES_IN_FLIGHT = 4;

/** What doesn't match its checksum is read again: a bad network seldom damages it so often. */
const READS = 4;

/** Beyond any object (S3's largest has 5 TiB): "to its end". */
const NO_END = 2 ** 50;

export async function getObject(
  parts: DownloadParts,
  key: string,
  { range, signal }: GetOptions,
): Promise<Uint8Array> {
  if (range !== undefined) {
    const { start, end } = boundsOf(range);
    return (await getPiece(parts, key, start, end, signal)).body;
  }
  for (let reads = 1; ; reads += 1) {
    try {
      return await getWhole(parts, key, signal);
    } catch (error) {
      // Perhaps it was damaged on its way to here, or replaced meanwhile.
      if ((error as { code?: unknown }).code !== "STORE_CORRUPT" || reads === READS) throw error;
    }
  }
}

/** Most objects are one piece; of others the further pieces are fetched as soon as the first one's headers tell the size. */
async function getWhole(
  parts: DownloadParts,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  let whole = new Uint8Array(0);
  const size = Promise.withResolvers<number>();
  const place = (headers: Readonly<Record<string, string>>): Uint8Array => {
    const totalBytes = totalOf(headers) || 0;
    if (whole.byteLength !== totalBytes) whole = unfilled(totalBytes);
    size.resolve(totalBytes);
    return whole.subarray(0, Math.min(totalBytes, PIECE_BYTES));
  };
  const first = parts.retry(() => getPiece(parts, key, 0, PIECE_BYTES, signal, place), signal);
  first.then(({ totalBytes }) => size.resolve(totalBytes), size.reject);
  const totalBytes = await size.promise;
  if (totalBytes <= PIECE_BYTES || whole.byteLength === 0) {
    const { body, headers } = await first;
    verify(headers, body, key, parts.where);
    return body;
  }
  let check: BodyCheck | undefined;
  let filledBytes = 0;
  for await (const piece of pieces(parts, key, { first, start: 0, end: totalBytes, signal, into: whole })) {
    if (filledBytes === 0) check = bodyCheck((await first).headers);
    // Most are there already.
    if (piece.buffer !== whole.buffer) whole.set(piece, filledBytes);
    filledBytes += piece.byteLength;
    // While later pieces are on their way.
    check?.add(piece);
  }
  check?.end(key, parts.where);
  return whole;
}

/** The object in pieces, several fetched ahead, given in order. */
export async function* streamObject(
  parts: DownloadParts,
  key: string,
  { range, signal }: GetOptions,
): AsyncIterable<Uint8Array> {
  const { start, end } = range === undefined ? { start: 0, end: NO_END } : boundsOf(range);
  const first = parts.retry(
    () => getPiece(parts, key, start, Math.min(start + PIECE_BYTES, end), signal),
    signal,
  );
  const { headers, totalBytes } = await first;
  const check = range === undefined ? bodyCheck(headers) : undefined;
  for await (const body of pieces(parts, key, { first, start, end: Math.min(end, totalBytes), signal })) {
    check?.add(body);
    if (body.byteLength > 0) yield body;
  }
  check?.end(key, parts.where);
}

interface Span {
  /** The piece at `start`. */
  readonly first: Promise<Piece>;
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
  /** Where the bytes from `start` on belong, if all are to be kept. */
  readonly into?: Uint8Array;
}

async function* pieces(parts: DownloadParts, key: string, span: Span): AsyncIterable<Uint8Array> {
  const { first, start, end } = span;
  const abandon = new AbortController();
  const signal = span.signal ? AbortSignal.any([span.signal, abandon.signal]) : abandon.signal;
  const ahead: Promise<Piece>[] = [];
  let next = start + PIECE_BYTES;
  const fetchAhead = (): void => {
    for (; next < end && ahead.length < PIECES_IN_FLIGHT; next += PIECE_BYTES) {
      const [from, to] = [next, Math.min(next + PIECE_BYTES, end)];
      const place = span.into?.subarray(from - start, to - start);
      const piece = parts.retry(() => getPiece(parts, key, from, to, signal, place && (() => place)), signal);
      // Heard of when its turn comes.
      piece.catch(() => {});
      ahead.push(piece);
    }
  };
  try {
    fetchAhead();
    const { body, headers } = await first;
    yield body;
    for (let coming = ahead.shift(); coming !== undefined; coming = ahead.shift()) {
      const piece = await coming;
      if (piece.headers["etag"] !== headers["etag"]) {
        throw corrupt(key, parts.where, "it was replaced while it was being read");
      }
      fetchAhead();
      yield piece.body;
    }
  } finally {
    abandon.abort();
  }
}

function verify(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  key: string,
  where: string,
): void {
  const check = bodyCheck(headers);
  check?.add(body);
  check?.end(key, where);
}

interface Piece {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the whole object. */
  readonly totalBytes: number;
}

/** Bytes `[start, end)`, cut short at the object's end. */
async function getPiece(
  parts: DownloadParts,
  key: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
  into?: S3Request["into"],
): Promise<Piece> {
  const request = { ...readRequest(parts, key, signal), ...(into === undefined ? {} : { into }) };
  // HTTP has no empty range: whether the object is there is asked all the same.
  if (end <= start) return emptyPiece(await parts.client.send({ ...request, method: "HEAD" }));
  const range = end >= NO_END ? `bytes=${start}-` : `bytes=${start}-${end - 1}`;
  const response = await parts.client.send({ ...request, headers: { range }, accept: [416] });
  const { status, headers, body } = response;
  if (status === 416) return emptyPiece(response);
  // A server may ignore ranges.
  if (status === 200) return { body: body.subarray(start, end), headers, totalBytes: body.byteLength };
  const totalBytes = totalOf(headers);
  const expected = Math.min(end, totalBytes) - start;
  if (body.byteLength !== expected) {
    throw corrupt(key, parts.where, `${expected} bytes were asked for, and ${body.byteLength} came`);
  }
  return { body, headers, totalBytes };
}

/** NaN where the server doesn't say. */
const totalOf = (headers: Readonly<Record<string, string>>): number =>
  Number(/\/(\d+)$/.exec(headers["content-range"] ?? "")?.[1] ?? Number.NaN);

const emptyPiece = ({ headers }: HttpResponse): Piece => ({
  body: new Uint8Array(0),
  headers,
  totalBytes: 0,
});

function readRequest({ nameOf }: DownloadParts, key: string, signal: AbortSignal | undefined): S3Request {
  return { method: "GET", object: nameOf(key), signal, action: `read ${JSON.stringify(key)}`, key };
}

function boundsOf({ offsetBytes, lengthBytes }: NonNullable<GetOptions["range"]>): {
  start: number;
  end: number;
} {
  if (!(offsetBytes >= 0) || !(lengthBytes >= 0)) {
    throw new RangeError(`a range of ${lengthBytes} bytes from byte ${offsetBytes} doesn't exist`);
  }
  return { start: offsetBytes, end: Math.min(offsetBytes + lengthBytes, NO_END) };
}
