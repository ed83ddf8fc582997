import fs from "node:fs";
import { type Frame, FrameParser } from "./protocol.ts";
import type { Watch } from "./watch.ts";

const READ_BYTES = 64 * 1024;

/**
 * The worker's ends of the work and the report channel. Blocking reads and writes: a round trip costs half of what streams cost, and
 * a line printed in a synchronous loop leaves at once.
 */
export class BlockingChannel {
  readonly #readFd: number;
  readonly #writeFd: number;
  readonly #onClosed: () => never;
  readonly #readBytes = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #parser = new FrameParser();
  readonly #received: Frame[] = [];
  #queued: Uint8Array[] = [];

  readonly #readChunk = () =>
    this.#retry(() => fs.readSync(this.#readFd, this.#readBytes, 0, READ_BYTES, null));

  /** `onClosed`: the driver is gone. */
  constructor(readFd: number, writeFd: number, onClosed: () => never) {
    this.#readFd = readFd;
    this.#writeFd = writeFd;
    this.#onClosed = onClosed;
  }

  /** Waits for the next frame; `watch`: a way to wait that may be quicker than to sleep. */
  read(watch?: Watch): Frame {
    while (this.#received.length === 0) {
      const sizeBytes = watch ? watch.wait(this.#readChunk) : this.#readChunk();
      if (sizeBytes === 0) this.#onClosed();
      this.#parser.push(this.#readBytes.subarray(0, sizeBytes), (frame) => this.#received.push(frame));
    }
    return this.#received.shift()!;
  }

  /** Keeps a frame's chunks until the next `flush`, to go out in one write. */
  queue(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#queued.push(chunk);
  }

  flush(): void {
    let chunks = this.#queued;
    this.#queued = [];
    while (chunks.length > 0) {
      const writing = chunks;
      const writtenBytes = this.#retry(() =>
        writing.length === 1
          ? fs.writeSync(this.#writeFd, writing[0]!)
          : fs.writevSync(this.#writeFd, writing),
      );
      chunks = remaining(chunks, writtenBytes);
    }
  }

  send(chunks: readonly Uint8Array[]): void {
    this.queue(chunks);
    this.flush();
  }

  #retry(call: () => number): number {
    for (;;) {
      try {
        return call();
      } catch (error) {
        const code = (error as { code?: string }).code;
        if (code === "EAGAIN") pause();
        else if (code === "EPIPE" || code === "ECONNRESET") this.#onClosed();
        else if (code !== "EINTR") throw error;
      }
    }
  }
}

/** Someone made the descriptor non-blocking, which nobody should: still right, only slower. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

function remaining(chunks: readonly Uint8Array[], writtenBytes: number): Uint8Array[] {
  let skipBytes = writtenBytes;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skipBytes >= chunk.length) {
      skipBytes -= chunk.length;
    } else {
      rest.push(skipBytes === 0 ? chunk : chunk.subarray(skipBytes));
      skipBytes = 0;
    }
  }
  return rest;
}
