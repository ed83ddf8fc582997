import type { PoolEvent, PoolObserver } from "../observers.ts";
import { createLiveBlock, type TextStream } from "./live-block.ts";
import { foldProgress, type JobProgress, newProgress } from "./progress.ts";
import { endedLine, liveLines, plainLine } from "./render.ts";
import { shareTerminal } from "./shared-terminal.ts";
import { summarize, summaryLines } from "./summary.ts";

const REDRAW_MS = 100;
const PLAIN_EVERY_MS = 5000;
/** Jobs that went by quickly are not worth a line each, if there are many. */
const QUICK_MS = 1000;
const QUICK_LINES = 10;

export interface TerminalStream extends TextStream {
  readonly isTTY?: boolean;
}

export interface TerminalOptions {
  /** Where the display goes. Live where it is a terminal, plain lines where it is a pipe or a file. */
  readonly stderr: TerminalStream;
  /** The script's own output: kept apart from the display where it shows on the same terminal. */
  readonly stdout: TerminalStream;
  /** Default: where stderr is a terminal that knows escape sequences. */
  readonly live?: boolean;
  readonly nowMs?: () => number;
}

export interface TerminalDisplay {
  readonly observer: PoolObserver;
  /** Ends the display and prints the summary, if there was any job. */
  finish(): void;
}

/**
 * Shows the progress of this process's jobs on stderr: a line for each running job at the bottom of a terminal; in a
 * pipe a plain line every 5 s at most.
 *
 * @example
 * const display = openTerminal({ stderr: process.stderr, stdout: process.stdout });
 * observe(display.observer);
 * process.on("exit", () => display.finish());
 */
export function openTerminal(options: TerminalOptions): TerminalDisplay {
  const { stderr, nowMs = Date.now } = options;
  const live = options.live ?? (stderr.isTTY === true && process.env["TERM"] !== "dumb");
  const progress = newProgress();
  const display = live ? liveDisplay(options) : plainDisplay(stderr, nowMs);
  let endedLines = 0;
  let finished = false;

  const tell = (job: JobProgress) => {
    const quick = (job.endedMs ?? 0) - job.openedMs < QUICK_MS;
    if (job.nested || (quick && job.state === "done" && endedLines >= QUICK_LINES)) return;
    endedLines += 1;
    display.stay(endedLine(job));
  };
  const observer = (event: PoolEvent) => {
    const ended = foldProgress(progress, event);
    if (finished) return;
    display.update(() => (live ? liveLines(progress, nowMs()) : (plainLine(progress, nowMs()) ?? "")));
    if (ended) tell(ended);
  };
  return {
    observer,
    finish() {
      if (finished) return;
      finished = true;
      display.close();
      if (progress.totals.jobs === 0) return;
      stderr.write(`${summaryLines(summarize(progress, nowMs())).join("\n")}\n`);
    },
  };
}

interface Display {
  /** Something has changed: show `lines()` when it is time. */
  update(lines: () => string[] | string): void;
  /** Writes a line that stays. */
  stay(line: string): void;
  close(): void;
}

function liveDisplay({ stderr, stdout }: TerminalOptions): Display {
  const write = stderr.write.bind(stderr) as (text: string) => unknown;
  const block = createLiveBlock({ write });
  let current: () => string[] | string = () => [];
  const draw = () => {
    if (!shared.lineIsOpen()) block.draw([current()].flat());
  };
  const shared = shareTerminal(block, stdout.isTTY ? [stderr, stdout] : [stderr], draw);
  // Rates and remaining times change without events, too.
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    update(lines) {
      current = lines;
    },
    stay(line) {
      if (shared.endLine()) write("\n");
      draw();
      block.print(line);
    },
    close() {
      clearInterval(timer);
      shared.stop();
      block.erase();
      if (shared.endLine()) write("\n");
    },
  };
}

function plainDisplay(stderr: TextStream, nowMs: () => number): Display {
  let lastMs = nowMs();
  return {
    update(lines) {
      if (nowMs() - lastMs < PLAIN_EVERY_MS) return;
      lastMs = nowMs();
      const line = [lines()].flat().join("; ");
      if (line !== "") stderr.write(`${line}\n`);
    },
    stay(line) {
      stderr.write(`${line}\n`);
    },
    close() {},
  };
}
