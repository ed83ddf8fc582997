import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import type { Socket } from "node:net";
import type { StoreLocation } from "../../storage/locate.ts";
import type { Invocation } from "../contract.ts";
import type { Guard } from "./guard.ts";
import { Marker } from "./marker.ts";
import {
  CONTROL_FD,
  encodeFrame,
  type FatalHead,
  FRAME_FATAL,
  FRAME_INIT,
  FRAME_JOB,
  FRAME_READY,
  type Frame,
  FrameParser,
  REPORT_FD,
  WORK_FD,
} from "./protocol.ts";
import { type ProcessSettings, type StartedProcess, spawnWorker } from "./start-process.ts";
import { LineCutter } from "./task-output.ts";
import { DRAIN_MS, LAST_WORDS_MS } from "./waits.ts";
import { encodeInvoke, isOfJob, type JobHead, jobHeadOf } from "./work-frames.ts";

export interface WorkerSettings extends ProcessSettings {
  readonly store: StoreLocation;
  readonly guard: Guard;
  /** A folder that is emptied before each task. */
  readonly scratch?: string | undefined;
  /** Its process, where that boots already. */
  readonly started?: StartedProcess | undefined;
}

export interface WorkerEvents {
  ready(): void;
  frame(frame: Frame): void;
  /** Lines that came past the report channel: native code's, child processes'. */
  lines(stream: "stdout" | "stderr", lines: string): void;
  /** Once, after everything else. */
  exited(exit: ProcessExit): void;
}

/** How a worker process ended: what there is of evidence. */
export interface ProcessExit {
  /** It said that it was ready. */
  readonly wasReady: boolean;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The process could not be made at all. */
  readonly spawnError: Error | undefined;
  /** Its last words, where it died of an uncaught error. */
  readonly fatal: { readonly origin: string; readonly text: string } | undefined;
  /** It was killed because it exceeded its `memoryMb`. */
  readonly memoryEvidence: string | undefined;
  readonly stderrTail: readonly string[];
}

const STDERR_TAIL_LINES = 20;
const START_LIMIT_MS = 30_000;
/** Longer than a worker watches (watch.ts), by the clock's grain. */
const RING_WITHIN_MS = 2;

const living = new Set<WorkerProcess>();
process.on("exit", () => {
  for (const worker of living) worker.kill();
});

/** One worker process, as the driver sees it. Keeps no event loop alive. */
export class WorkerProcess {
  readonly id = randomBytes(5).toString("hex");
  readonly memoryMb: number | undefined;
  readonly marker: Marker;
  /** How many invocations it was sent; the number of the next one is one more. */
  sent = 0;
  readonly #settings: WorkerSettings;
  readonly #events: WorkerEvents;
  readonly #child: ChildProcess | undefined;
  readonly #stderrTail: string[] = [];
  readonly #cutters: LineCutter[] = [];
  readonly #startTimer: NodeJS.Timeout;
  /** What it was told last that invocations have in common. */
  #jobHead: JobHead | undefined;
  #wasReady = false;
  /** When the last frame came. */
  #heardMs = 0;
  #fatal: ProcessExit["fatal"];
  #spawnError: Error | undefined;
  #memoryEvidence: string | undefined;
  #over = false;

  /** Never throws: a failure to start arrives as `exited`. */
  constructor(settings: WorkerSettings, events: WorkerEvents) {
    this.#settings = settings;
    this.#events = events;
    this.memoryMb = settings.memoryMb;
    this.marker = settings.started?.marker ?? new Marker();
    this.#startTimer = setTimeout(() => this.kill(), START_LIMIT_MS).unref();
    try {
      this.#child = settings.started?.child ?? spawnWorker(settings, this.marker);
      this.#attach(this.#child);
    } catch (error) {
      this.#spawnError = error as Error;
      setImmediate(() => this.#finish(null, null));
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Sends an invocation; returns its number among those that this process was sent, from 1. */
  invoke(invocation: Invocation): number {
    this.#settings.guard.ensureStarted();
    this.sent += 1;
    const chunks = encodeInvoke(this.sent, invocation);
    if (this.#jobHead === undefined || !isOfJob(this.#jobHead, invocation)) {
      this.#jobHead = jobHeadOf(invocation);
      chunks.unshift(...encodeFrame(FRAME_JOB, this.#jobHead));
    }
    this.#write(WORK_FD, chunks);
    // Only a worker that has just reported may be watching for it.
    if (Date.now() - this.#heardMs <= RING_WITHIN_MS) this.marker.ring(this.sent);
    return this.sent;
  }

  /** Sends a frame on the control channel. */
  sendControl(chunks: readonly Uint8Array[]): void {
    this.#write(CONTROL_FD, chunks);
  }

  /** SIGKILL, to it and what its tasks have spawned. */
  kill(): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#over) return;
    killGroup(pid);
    this.#child?.kill("SIGKILL");
  }

  /** It uses more memory than it may. */
  exceeded(evidence: string): void {
    this.#memoryEvidence = evidence;
    this.kill();
  }

  #attach(child: ChildProcess): void {
    child.on("error", (error) => {
      this.#spawnError ??= error;
      if (child.pid === undefined) this.#finish(null, null);
    });
    if (child.pid === undefined) return;
    living.add(this);
    this.#settings.guard.add(child.pid);
    child.on("exit", (exitCode, signal) => this.#drain(child, exitCode, signal));
    const parser = new FrameParser();
    pipeOf(child, REPORT_FD)!.on("data", (chunk: Buffer) => {
      this.#heardMs = Date.now();
      try {
        parser.push(chunk, (frame) => this.#receive(frame));
      } catch (error) {
        this.#fatal ??= {
          origin: "protocol error",
          text: `what came over the report channel is no frame: ${error}`,
        };
        this.kill();
      }
    });
    this.#readLines(child, "stdout");
    this.#readLines(child, "stderr");
    for (const stream of child.stdio) {
      stream?.on("error", () => {}); // its end follows
      (stream as Socket | null)?.unref();
    }
    child.unref();
    const { id: workerId } = this;
    const { store, scratch } = this.#settings;
    this.#write(WORK_FD, encodeFrame(FRAME_INIT, { workerId, store, scratch }));
  }

  #receive(frame: Frame): void {
    if (frame.type === FRAME_READY) {
      this.#wasReady = true;
      clearTimeout(this.#startTimer);
      this.#events.ready();
    } else if (frame.type === FRAME_FATAL) {
      this.#fatal = { origin: (frame.head as FatalHead).origin, text: Buffer.from(frame.body).toString() };
      setTimeout(() => this.kill(), LAST_WORDS_MS).unref();
    } else {
      this.#events.frame(frame);
    }
  }

  #readLines(child: ChildProcess, name: "stdout" | "stderr"): void {
    const cutter = new LineCutter((lines) => {
      if (name === "stderr") {
        this.#stderrTail.push(...lines.split("\n"));
        this.#stderrTail.splice(0, this.#stderrTail.length - STDERR_TAIL_LINES);
      }
      this.#events.lines(name, lines);
    });
    this.#cutters.push(cutter);
    child[name]!.on("data", (chunk: Buffer) => cutter.push(chunk));
  }

  /** All that it wrote comes before its end. */
  #drain(child: ChildProcess, exitCode: number | null, signal: NodeJS.Signals | null): void {
    killGroup(child.pid!);
    this.#settings.guard.remove(child.pid!);
    living.delete(this);
    const finish = () => this.#finish(exitCode, signal);
    const timer = setTimeout(finish, DRAIN_MS);
    child.once("close", () => {
      clearTimeout(timer);
      finish();
    });
  }

  #finish(exitCode: number | null, signal: NodeJS.Signals | null): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#startTimer);
    for (const cutter of this.#cutters) cutter.end();
    for (const stream of this.#child?.stdio ?? []) stream?.destroy();
    this.#events.exited({
      wasReady: this.#wasReady,
      exitCode,
      signal,
      spawnError: this.#spawnError,
      fatal: this.#fatal,
      memoryEvidence: this.#memoryEvidence,
      stderrTail: this.#stderrTail,
    });
    this.marker.close();
  }

  #write(fd: number, chunks: readonly Uint8Array[]): void {
    const stream = this.#child && pipeOf(this.#child, fd);
    if (!stream?.writable) return;
    if (chunks.length === 1) {
      const chunk = chunks[0]!;
      const writtenBytes = writeNow(stream, chunk);
      if (writtenBytes < chunk.length) stream.write(chunk.subarray(writtenBytes));
      return;
    }
    stream.cork();
    for (const chunk of chunks) stream.write(chunk);
    stream.uncork();
  }
}

/** Node's type of `stdio` ends with descriptor 4. */
const pipeOf = (child: ChildProcess, fd: number): Socket | null | undefined =>
  (child.stdio as unknown as readonly (Socket | null | undefined)[])[fd];

/**
 * Writes past Node's stream, which costs as much again as the system call does.
 * @returns how many bytes the system took; the stream, which can wait, is to write the rest
 */
function writeNow(stream: Socket, chunk: Uint8Array): number {
  // `_handle` is Node's own: where it isn't as it was, the stream does it all.
  const fd = (stream as Socket & { readonly _handle?: { readonly fd?: unknown } | null })._handle?.fd;
  if (typeof fd !== "number" || fd < 0 || stream.writableLength > 0) return 0;
  try {
    return fs.writeSync(fd, chunk);
  } catch {
    return 0;
  }
}

function killGroup(pid: number): void {
  try {
    if (process.platform !== "win32") process.kill(-pid, "SIGKILL");
  } catch {
    // none left
  }
}
