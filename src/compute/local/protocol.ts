import type { StoreLocation } from "../../storage/locate.ts";
import type { AttemptEnd } from "../contract.ts";

/**
 * What driver and worker say to each other.
 *
 *   frame = length of the rest u32 | type u8 | length of head u32 | head, JSON | body, little-endian
 *   frame = length of the rest u32 | type u8, from 128 on | body
 *
 * Work channel (descriptor 3), read by the worker with blocking calls: INIT, JOB and INVOKE down.
 * Report channel (descriptor 6), written by the worker with blocking calls: all that goes up. It is a channel of its
 * own because a write to a dead worker fails, and Node then closes that stream with what it hasn't read yet: the last
 * words that tell why the worker died.
 * Control channel (descriptor 4), read by the worker's event loop while a task waits: ABORT and REPLY down.
 */
export const WORK_FD = 3;
export const CONTROL_FD = 4;
export const MARKER_FD = 5;
export const REPORT_FD = 6;

export const FRAME_INIT = 1;
export const FRAME_JOB = 2;
export const FRAME_ABORT = 3;
export const FRAME_REPLY = 4;
export const FRAME_READY = 16;
export const FRAME_ENDED = 18;
export const FRAME_CONSOLE = 19;
export const FRAME_REQUEST = 20;
export const FRAME_FATAL = 21;
/** From here on frames have no head: see work-frames.ts. */
const FIRST_BINARY = 128;
export const FRAME_INVOKE = 128;
export const FRAME_OUTCOMES = 129;

export interface InitHead {
  readonly workerId: string;
  readonly store: StoreLocation;
  /** A folder that is emptied before each task. */
  readonly scratch?: string | undefined;
}

/** `index`: only if that task is running. */
export interface AbortHead {
  readonly sequence: number;
  readonly index?: number;
  readonly order: "cancelled" | "timed-out";
}

/** Body: the answer. */
export interface ReplyHead {
  readonly requestId: number;
}

/** Body: the encoded error where `end` is `unloadable`. */
export interface EndedHead {
  readonly sequence: number;
  readonly end: Exclude<AttemptEnd, { kind: "unloadable" }> | { readonly kind: "unloadable" };
}

/** Body: complete lines, UTF-8, joined with "\n". */
export interface ConsoleHead {
  readonly attempt: number;
  readonly index?: number;
  readonly stream: "stdout" | "stderr";
  readonly atMs: number;
}

/** Body: the request. */
export interface RequestHead {
  readonly attempt: number;
  readonly requestId: number;
}

/** The last words of a worker that dies of an uncaught error. Body: the error as text. */
export interface FatalHead {
  readonly origin: string;
}

const NO_BODY = new Uint8Array(0);
/** Longer bodies are chunks of their own, and not copied. */
const INLINE_BYTES = 64 * 1024;

/** Chunks of one frame: small ones are one chunk; a big body isn't copied. */
export function encodeFrame(type: number, head: object, body: Uint8Array = NO_BODY): Uint8Array[] {
  const json = JSON.stringify(head);
  const headBytes = Buffer.byteLength(json);
  const restBytes = 5 + headBytes + body.length;
  const inline = body.length <= INLINE_BYTES;
  const frame = Buffer.allocUnsafe(inline ? 4 + restBytes : 9 + headBytes);
  frame.writeUInt32LE(restBytes, 0);
  frame[4] = type;
  frame.writeUInt32LE(headBytes, 5);
  frame.write(json, 9);
  if (!inline) return [frame, body];
  frame.set(body, 9 + headBytes);
  return [frame];
}

/**
 * A frame without a head, to be given its facts: they are `factsBytes` from FACTS_AT on, and `rest` follows, which
 * `withRest` appends where it is big.
 */
export function binaryFrame(type: number, factsBytes: number, rest: Uint8Array): Buffer {
  const inline = rest.length <= INLINE_BYTES;
  const frame = Buffer.allocUnsafe(FACTS_AT + factsBytes + (inline ? rest.length : 0));
  frame.writeUInt32LE(1 + factsBytes + rest.length, 0);
  frame[4] = type;
  if (inline) frame.set(rest, FACTS_AT + factsBytes);
  return frame;
}
export const FACTS_AT = 5;

export const withRest = (frame: Buffer, rest: Uint8Array): Uint8Array[] =>
  rest.length <= INLINE_BYTES ? [frame] : [frame, rest];

export interface Frame {
  readonly type: number;
  /** Undefined in a binary frame. */
  readonly head: unknown;
  /** A view on the frame's bytes. */
  readonly body: Buffer;
}

/** `rest`: a frame without its leading length. */
export function decodeFrame(rest: Buffer): Frame {
  const type = rest[0]!;
  if (type >= FIRST_BINARY) return { type, head: undefined, body: rest.subarray(1) };
  const headBytes = rest.readUInt32LE(1);
  return {
    type,
    head: JSON.parse(rest.toString("utf8", 5, 5 + headBytes)),
    body: rest.subarray(5 + headBytes),
  };
}

const MAX_FRAME_BYTES = 2 ** 30;
const POOLED_BYTES = 1024;

function checkedLength(sizeBytes: number): number {
  if (sizeBytes >= 5 && sizeBytes <= MAX_FRAME_BYTES) return sizeBytes;
  throw new RangeError(`${sizeBytes} bytes are no frame: something else was written to the channel`);
}

/** Cuts a stream of chunks into frames, each in memory of its own; big ones are copied once. */
export class FrameParser {
  #head = Buffer.alloc(4);
  #headBytes = 0;
  #rest: Buffer | undefined;
  #restBytes = 0;

  /** @throws RangeError where the bytes can't be frames */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#rest) {
        while (this.#headBytes < 4 && at < chunk.length) this.#head[this.#headBytes++] = chunk[at++]!;
        if (this.#headBytes < 4) return;
        const sizeBytes = checkedLength(this.#head.readUInt32LE(0));
        // Node's pool is the quicker one; what is bigger must not hold on to others' memory.
        this.#rest =
          sizeBytes < POOLED_BYTES ? Buffer.allocUnsafe(sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes);
        this.#headBytes = 0;
        this.#restBytes = 0;
      }
      const takeBytes = Math.min(this.#rest.length - this.#restBytes, chunk.length - at);
      this.#rest.set(chunk.subarray(at, at + takeBytes), this.#restBytes);
      this.#restBytes += takeBytes;
      at += takeBytes;
      if (this.#restBytes < this.#rest.length) return;
      const rest = this.#rest;
      this.#rest = undefined;
      onFrame(decodeFrame(rest));
    }
  }
}
