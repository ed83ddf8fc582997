import type { LiveBlock, TextStream } from "./live-block.ts";

export interface SharedTerminal {
  /** What others wrote last has no line break yet. */
  readonly lineIsOpen: () => boolean;
  /** The caller is about to write on: says whether it must break the line first. */
  readonly endLine: () => boolean;
  /** Gives the streams back as they were. */
  readonly stop: () => void;
}

/**
 * Keeps a live block apart from what anyone else in this process writes to the same terminal: `console.log` of the
 * script, lines of tasks, warnings. Each write takes the block off the screen first; `redraw` is called after it,
 * except while a line is unfinished (a prompt, say).
 *
 * @param streams those of this process that show on the terminal
 */
export function shareTerminal(
  block: LiveBlock,
  streams: readonly TextStream[],
  redraw: () => void,
): SharedTerminal {
  let lineIsOpen = false;
  let waiting = false;
  const redrawSoon = () => {
    if (waiting) return;
    waiting = true;
    // Once for all writes of this turn.
    process.nextTick(() => {
      waiting = false;
      if (!lineIsOpen) redraw();
    });
  };
  const restore = streams.map((stream) => {
    const { write } = stream;
    const own = Object.hasOwn(stream, "write");
    const replaced = (...args: [text: string]): unknown => {
      block.erase();
      lineIsOpen = !endsLine(args[0], lineIsOpen);
      redrawSoon();
      return write.apply(stream, args);
    };
    stream.write = replaced;
    return () => {
      // Someone may have wrapped it after us: then theirs stays, and ours does no harm.
      if (stream.write !== replaced) return;
      if (own) stream.write = write;
      else delete (stream as Partial<TextStream>).write;
    };
  });
  return {
    lineIsOpen: () => lineIsOpen,
    endLine: () => {
      const wasOpen = lineIsOpen;
      lineIsOpen = false;
      return wasOpen;
    },
    stop: () => {
      for (const back of restore) back();
    },
  };
}

/** Streams take bytes as well. */
function endsLine(chunk: unknown, wasOpen: boolean): boolean {
  if (typeof chunk === "string") return chunk === "" ? !wasOpen : chunk.endsWith("\n");
  if (chunk instanceof Uint8Array) return chunk.length === 0 ? !wasOpen : chunk.at(-1) === 0x0a;
  return true;
}
