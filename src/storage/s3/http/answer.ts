import { badAnswer } from "./failure.ts";
import type { HttpRequest } from "./message.ts";

/** What comes before an answer's body. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The connection may carry another request after it. */
  readonly keepsAlive: boolean;
}

/** @param text without the empty line at its end @throws HttpFailure */
export function parseAnswerHead(text: string): AnswerHead {
  const lines = text.split("\r\n");
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(lines[0]!) ?? [];
  if (status === undefined) throw badAnswer(`it begins with ${JSON.stringify(lines[0]!.slice(0, 80))}`);
  const headers: Record<string, string> = {};
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i]!;
    const colon = line.indexOf(":");
    if (colon < 1) throw badAnswer(`it has the header line ${JSON.stringify(line.slice(0, 80))}`);
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const connection = headers["connection"]?.toLowerCase();
  const keepsAlive = minor === "1" ? connection !== "close" : connection === "keep-alive";
  return { status: Number(status), headers, keepsAlive };
}

/** Takes an answer's body as it comes. */
export interface AnswerBody {
  /** All of it is there. */
  readonly complete: boolean;
  /** Where the next bytes can be read to at once, without a copy; undefined where they are to be given to `take`. */
  room(): Uint8Array | undefined;
  /** So many bytes were read into the room. */
  filled(count: number): void;
  /** Bytes that were read elsewhere, and will be overwritten. @throws HttpFailure */
  take(bytes: Uint8Array): void;
  /** The connection has ended. Whether the body has, too. */
  end(): boolean;
  bytes(): Uint8Array;
}

/** The body that the head announces. @throws HttpFailure */
export function bodyOf(
  { status, headers }: AnswerHead,
  { method, into }: Pick<HttpRequest, "method" | "into">,
): AnswerBody {
  // A HEAD's length is that of the object.
  if (method === "HEAD" || status === 204 || status === 304) return new SizedBody(new Uint8Array(0));
  const coding = headers["transfer-encoding"]?.toLowerCase();
  if (coding === "chunked") return new ChunkedBody();
  if (coding !== undefined) throw badAnswer(`it has the transfer encoding ${JSON.stringify(coding)}`);
  const length = headers["content-length"];
  if (length === undefined) return new EndlessBody();
  if (!/^\d{1,15}$/.test(length)) throw badAnswer(`it has the length ${JSON.stringify(length)}`);
  const sizeBytes = Number(length);
  const place = status === 206 ? into?.(headers) : undefined;
  return new SizedBody(place?.byteLength === sizeBytes ? place : unfilled(sizeBytes));
}

/** One whose length is known: bytes are read right into their place. */
class SizedBody implements AnswerBody {
  readonly #whole: Uint8Array;
  #filledBytes = 0;

  constructor(whole: Uint8Array) {
    this.#whole = whole;
  }

  get complete(): boolean {
    return this.#filledBytes === this.#whole.byteLength;
  }

  room(): Uint8Array {
    return this.#whole.subarray(this.#filledBytes);
  }

  filled(count: number): void {
    this.#filledBytes += count;
  }

  take(bytes: Uint8Array): void {
    if (bytes.byteLength > this.#whole.byteLength - this.#filledBytes)
      throw badAnswer("it is longer than its length");
    this.#whole.set(bytes, this.#filledBytes);
    this.#filledBytes += bytes.byteLength;
  }

  end(): boolean {
    return this.complete;
  }

  bytes(): Uint8Array {
    return this.#whole;
  }
}

/** One that ends with the connection. */
class EndlessBody implements AnswerBody {
  complete = false;
  protected readonly chunks: Uint8Array[] = [];

  room(): undefined {}

  filled(): void {}

  take(bytes: Uint8Array): void {
    this.chunks.push(new Uint8Array(bytes));
  }

  end(): boolean {
    this.complete = true;
    return true;
  }

  bytes(): Uint8Array {
    return this.chunks.length === 1 ? this.chunks[0]! : new Uint8Array(Buffer.concat(this.chunks));
  }
}

const MAX_LINE_BYTES = 16_384;

/** One in chunks, each after a line with its size: lists, and errors of AWS. */
class ChunkedBody extends EndlessBody {
  #expects: "size" | "data" | "end of data" | "trailer" = "size";
  #leftBytes = 0;
  #line = "";

  override take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.complete) throw badAnswer("it goes on after its end");
      at = this.#expects === "data" ? this.#takeData(bytes, at) : this.#takeLine(bytes, at);
    }
  }

  override end(): boolean {
    return this.complete;
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const piece = bytes.subarray(at, at + this.#leftBytes);
    super.take(piece);
    this.#leftBytes -= piece.byteLength;
    if (this.#leftBytes === 0) this.#expects = "end of data";
    return at + piece.byteLength;
  }

  #takeLine(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(0x0a, at);
    const next = end < 0 ? bytes.byteLength : end + 1;
    this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + at, next - at).toString("latin1");
    if (this.#line.length > MAX_LINE_BYTES) throw badAnswer("it has no end of line");
    if (end < 0) return next;
    const line = this.#line.replace(/\r?\n$/, "");
    this.#line = "";
    this.#useLine(line);
    return next;
  }

  #useLine(line: string): void {
    if (this.#expects === "trailer") {
      this.complete = line === "";
    } else if (this.#expects === "end of data") {
      if (line !== "") throw badAnswer("a chunk is longer than its size");
      this.#expects = "size";
    } else {
      const [, size] = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line) ?? [];
      if (size === undefined) throw badAnswer(`a chunk has the size ${JSON.stringify(line.slice(0, 80))}`);
      this.#leftBytes = Number.parseInt(size, 16);
      this.#expects = this.#leftBytes === 0 ? "trailer" : "data";
    }
  }
}

/** Bytes of their own that are all going to be written: zeroing them first would take a tenth of a big download. */
export function unfilled(sizeBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}
