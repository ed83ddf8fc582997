import type { GetOptions } from "../contract.ts";
import { corrupt } from "../failures.ts";
import type { Retry } from "../layers/retry.ts";
import { type BodyCheck, bodyCheck } from "./checksums.ts";
import type { S3Client, S3Request } from "./client.ts";
import type { HttpResponse } from "./transport.ts";

export interface DownloadParts {
  readonly client: S3Client;
  readonly retry: Retry;
  readonly where: string;
  nameOf(key: string): string;
}

/** A stream asks for so much at a time; so many pieces are on their way at once, which bounds its memory. */
export const PIECE_BYTES = 8 * 1024 * 1024;
const PIECES_IN_FLIGHT = 4;

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
  const request = readRequest(parts, key, signal);
  for (let again = false; ; again = true) {
    const { headers, body } = await parts.client.send(request);
    const check = bodyCheck(headers);
    if (check === undefined) return body;
    check.add(body);
    try {
      check.end(key, parts.where);
      return body;
    } catch (error) {
      // Perhaps it was damaged on its way to here.
      if (again) throw error;
    }
  }
}

/** The object in pieces, several fetched ahead, given in order. */
export async function* streamObject(
  parts: DownloadParts,
  key: string,
  options: GetOptions,
): AsyncIterable<Uint8Array> {
  const { start, end } = options.range === undefined ? { start: 0, end: NO_END } : boundsOf(options.range);
  const abandon = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, abandon.signal]) : abandon.signal;
  const fetch = (at: number, until: number): Promise<Piece> =>
    parts.retry(() => getPiece(parts, key, at, Math.min(at + PIECE_BYTES, until), signal), signal);
  const first = await fetch(start, end);
  const stop = Math.min(end, first.totalBytes);
  const check = options.range === undefined ? bodyCheck(first.headers) : undefined;
  try {
    yield* checked([first.body], check);
    let next = start + PIECE_BYTES;
    const ahead: Promise<Piece>[] = [];
    while (next < stop || ahead.length > 0) {
      while (next < stop && ahead.length < PIECES_IN_FLIGHT) {
        const piece = fetch(next, stop);
        piece.catch(() => {});
        ahead.push(piece);
        next += PIECE_BYTES;
      }
      const piece = await ahead.shift()!;
      if (piece.headers["etag"] !== first.headers["etag"]) {
        throw corrupt(key, parts.where, "it was replaced while it was being read");
      }
      yield* checked([piece.body], check);
    }
    check?.end(key, parts.where);
  } finally {
    abandon.abort();
  }
}

function* checked(bodies: readonly Uint8Array[], check: BodyCheck | undefined): Iterable<Uint8Array> {
  for (const body of bodies) {
    check?.add(body);
    if (body.byteLength > 0) yield body;
  }
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
): Promise<Piece> {
  const request = readRequest(parts, key, signal);
  // HTTP has no empty range: whether the object is there is asked all the same.
  if (end <= start) return emptyPiece(await parts.client.send({ ...request, method: "HEAD" }));
  const range = end >= NO_END ? `bytes=${start}-` : `bytes=${start}-${end - 1}`;
  const response = await parts.client.send({ ...request, headers: { range }, accept: [416] });
  const { status, headers, body } = response;
  if (status === 416) return emptyPiece(response);
  // A server may ignore ranges.
  if (status === 200) return { body: body.subarray(start, end), headers, totalBytes: body.byteLength };
  const totalBytes = Number(/\/(\d+)$/.exec(headers["content-range"] ?? "")?.[1] ?? Number.NaN);
  const expected = Math.min(end, totalBytes) - start;
  if (body.byteLength !== expected) {
    throw corrupt(key, parts.where, `${expected} bytes were asked for, and ${body.byteLength} came`);
  }
  return { body, headers, totalBytes };
}

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
