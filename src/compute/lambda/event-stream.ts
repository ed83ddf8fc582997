import { crc32 } from "node:zlib";

/** One message of an event stream. */
export interface StreamMessage {
  /** Those whose value is text: `:message-type`, `:event-type`, `:exception-type`, … */
  readonly headers: Readonly<Record<string, string>>;
  /** A view, valid only during the call. */
  readonly payload: Buffer;
}

const PRELUDE_BYTES = 12;
const CHECK_BYTES = 4;
/** Far more than a service sends in one message. */
const MAX_MESSAGE_BYTES = 24 * 1024 * 1024;
const TEXT = 7;
/** Bytes of a header's value by its type; −1: a length of two bytes stands before it. */
const VALUE_BYTES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16] as const;

/**
 * Cuts what comes by a connection into messages of `application/vnd.amazon.eventstream`:
 * `total length u32 | length of headers u32 | crc32 u32 | headers | payload | crc32 u32`, big-endian.
 *
 * Source: "Event stream encoding", Amazon Transcribe Developer Guide; the same in each AWS service that streams.
 *
 * @example const reader = new EventStreamReader((message) => take(message)); reader.push(chunk);
 */
export class EventStreamReader {
  readonly #onMessage: (message: StreamMessage) => void;
  #rest: Buffer | undefined;

  constructor(onMessage: (message: StreamMessage) => void) {
    this.#onMessage = onMessage;
  }

  /** @throws RangeError where the bytes are damaged, or are something else */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : asBuffer(chunk);
    let at = 0;
    while (bytes.length - at >= PRELUDE_BYTES) {
      const totalBytes = bytes.readUInt32BE(at);
      if (totalBytes < PRELUDE_BYTES + CHECK_BYTES || totalBytes > MAX_MESSAGE_BYTES) {
        throw new RangeError(`a message of ${totalBytes} bytes: this is no event stream`);
      }
      if (bytes.length - at < totalBytes) break;
      this.#onMessage(decode(bytes.subarray(at, at + totalBytes)));
      at += totalBytes;
    }
    // A copy: the connection's own memory is lent.
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }

  /** Whether the stream has ended between two messages. */
  get isWhole(): boolean {
    return this.#rest === undefined;
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function decode(message: Buffer): StreamMessage {
  const headersBytes = message.readUInt32BE(4);
  const payloadAt = PRELUDE_BYTES + headersBytes;
  const checkAt = message.length - CHECK_BYTES;
  const isGood =
    payloadAt <= checkAt &&
    crc32(message.subarray(0, 8)) === message.readUInt32BE(8) &&
    crc32(message.subarray(0, checkAt)) === message.readUInt32BE(checkAt);
  if (!isGood) throw new RangeError("a message of an event stream doesn't match its checksum");
  return {
    headers: textHeaders(message.subarray(PRELUDE_BYTES, payloadAt)),
    payload: message.subarray(payloadAt, checkAt),
  };
}

/** `length of name u8 | name | type u8 | value`, back to back. */
function textHeaders(bytes: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!;
    const name = bytes.toString("latin1", at + 1, nameEnd);
    const type = bytes[nameEnd]!;
    const fixedBytes = VALUE_BYTES[type];
    if (fixedBytes === undefined) throw new RangeError(`a header of an event stream has the type ${type}`);
    const isVariable = fixedBytes < 0;
    const valueAt = nameEnd + 1 + (isVariable ? 2 : 0);
    const end = valueAt + (isVariable ? bytes.readUInt16BE(nameEnd + 1) : fixedBytes);
    if (type === TEXT) headers[name] = bytes.toString("utf8", valueAt, end);
    at = end;
  }
  return headers;
}
