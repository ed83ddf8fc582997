/** Chunks in memory, or a body that can be read again for another try. */
export type RequestBody =
  | readonly Uint8Array[]
  | { readonly sizeBytes: number; readonly sha256: string; chunks(): AsyncIterable<Uint8Array> };

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query, escaped. */
  readonly path: string;
  /** With `host`, without `content-length`. Names in lower case; ASCII alone. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly signal?: AbortSignal;
  /** Where the body of a 206 goes, if it has just this length: spares a copy. Called with the answer's headers. */
  readonly into?: (headers: Readonly<Record<string, string>>) => Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What could end a line, and with it say something else than was meant. */
const NO_HEADER_TEXT = /[^\t\x20-\x7e]/;

/**
 * The lines before a request's body.
 * @throws TypeError for a header that isn't printable ASCII
 */
export function requestHead({ method, path, headers }: HttpRequest, bodyBytes: number): string {
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const name in headers) {
    const value = headers[name]!;
    if (NO_HEADER_TEXT.test(value)) throw new TypeError(`the header ${name} isn't printable ASCII`);
    head += `${name}: ${value}\r\n`;
  }
  if (method === "PUT" || method === "POST") head += `content-length: ${bodyBytes}\r\n`;
  return `${head}\r\n`;
}

/** Big bodies go out in pieces of this size, so that a slow upload counts as going on. */
const PIECE_BYTES = 1024 * 1024;

export function* piecesOf(chunks: readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES);
  }
}
