import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

type StreamName = "stdout" | "stderr";

/** Takes complete lines, joined with "\n". */
export type LineSink = (stream: StreamName, lines: string) => void;

/** A partial line longer than this is passed on as it is. */
const LONGEST_LINE = 64 * 1024;

/** Cuts text into lines; keeps what is not yet a whole one. */
export class LineCutter {
  readonly #sink: (lines: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #partial = "";

  constructor(sink: (lines: string) => void) {
    this.#sink = sink;
  }

  push(chunk: Uint8Array | string): void {
    const text =
      this.#partial + (typeof chunk === "string" ? chunk : this.#decoder.write(Buffer.from(chunk)));
    const end = text.lastIndexOf("\n");
    this.#partial = end < 0 ? text : text.slice(end + 1);
    if (end >= 0) this.#sink(text.slice(0, end));
    if (this.#partial.length > LONGEST_LINE) this.end();
  }

  /** Passes on a line that lacks its break. */
  end(): void {
    if (this.#partial === "") return;
    const last = this.#partial;
    this.#partial = "";
    this.#sink(last);
  }
}

/**
 * Puts streams in place of the worker's `process.stdout` and `process.stderr` that hand on each line at once, whatever
 * the event loop does: `console.*` writes to them too. What native code prints goes to the real descriptors.
 *
 * @returns call it at the end of a task: passes on its unfinished line.
 */
export function takeOverOutput(sink: LineSink): () => void {
  const cutters = (["stdout", "stderr"] as const).map((name, i) => {
    const cutter = new LineCutter((lines) => sink(name, lines));
    let stream: Writable | undefined;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => (stream ??= makeStream(cutter, i + 1)),
    });
    return cutter;
  });
  return () => {
    for (const cutter of cutters) cutter.end();
  };
}

function makeStream(cutter: LineCutter, fd: number): Writable {
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, encoding, callback) {
      const isText = typeof chunk === "string" && (encoding === "utf8" || encoding === ("utf-8" as never));
      cutter.push(isText || typeof chunk !== "string" ? chunk : Buffer.from(chunk, encoding));
      callback();
    },
    // As Node's own: ending or destroying it doesn't close the descriptor.
    destroy: (_error, callback) => callback(null),
  });
  return Object.assign(stream, { fd, _isStdio: true });
}
