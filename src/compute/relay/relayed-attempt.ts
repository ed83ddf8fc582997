import { Run } from "../../job/entries.ts";
import { workerLogName } from "../../job/keys.ts";
import { readFrame, readLog } from "../../job/log-reader.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import { isNotFound } from "../../storage/failures.ts";
import type { AttemptEnd, AttemptUsage, ComputeEvents, Invocation, OutcomeReport } from "../contract.ts";
import { type Frame, FrameParser } from "../local/protocol.ts";
import {
  type AliveHead,
  type ConsoleHead,
  type EndedHead,
  FRAME_ALIVE,
  FRAME_CONSOLE,
  FRAME_ENDED,
  FRAME_GUEST,
  FRAME_OUTCOMES,
  FRAME_REQUEST,
  FRAME_STARTED,
  type GuestHead,
  type OutcomesHead,
  type RequestHead,
  type StartedHead,
} from "./protocol.ts";

export interface RelayedEnd {
  readonly end: AttemptEnd;
  readonly usage: AttemptUsage | undefined;
}

export interface RelayedAttemptParts {
  readonly invocation: Invocation & { readonly logId: string };
  /** The store as the driver has it. */
  readonly store: ObjectStore;
  readonly events: Pick<ComputeEvents, "progressed" | "console" | "request">;
  readonly nowMs: () => number;
  /** A frame of an attempt that runs beside it. */
  readonly onGuest?: (attempt: number, frame: Uint8Array) => void;
}

/**
 * An attempt that a supervisor runs elsewhere, as its driver sees it: what comes in frames becomes events, each outcome
 * once; what didn't come is read from the log that the attempt writes. Knows nothing of how frames travel.
 */
export class RelayedAttempt {
  /** Set by the first frame. */
  started: StartedHead | undefined;
  /** The last frame's word, once all before it is told. */
  ended: RelayedEnd | undefined;
  /** First task without a report. */
  cursor: number;
  /** The log has been found. */
  logIsThere = false;
  /** The task that was last known to run. */
  runningTask: number | undefined;
  readonly #parts: RelayedAttemptParts;
  readonly #parser = new FrameParser();
  readonly #sinceMs: number;
  /** A big run is being read: what follows waits for it. */
  #reading: Promise<void> | undefined;

  constructor(parts: RelayedAttemptParts) {
    this.#parts = parts;
    this.cursor = parts.invocation.first;
    this.#sinceMs = parts.nowMs();
  }

  get isComplete(): boolean {
    return this.cursor >= this.#end;
  }

  get #end(): number {
    const { first, count } = this.#parts.invocation;
    return first + count;
  }

  /** @throws RangeError where the bytes can't be frames */
  push(bytes: Uint8Array): void {
    this.#parser.push(bytes, (frame) => {
      const taken = this.#reading ? this.#reading.then(() => this.#take(frame)) : this.#take(frame);
      if (!taken) return;
      this.#reading = taken;
      taken.catch(() => {}); // whoever calls `settled` hears of it
    });
  }

  /** All that was pushed is told. @throws StoreError where a run can't be read */
  async settled(): Promise<void> {
    while (this.#reading) {
      const reading = this.#reading;
      await reading;
      if (this.#reading === reading) this.#reading = undefined;
    }
  }

  /**
   * Tells of outcomes in the attempt's own log that no report came of. False: the log isn't complete, or not there yet.
   * @throws StoreError
   */
  async readLog(): Promise<boolean> {
    await this.settled();
    const { store, invocation, nowMs } = this.#parts;
    const { journalPrefix, logId } = invocation;
    const busyMs = nowMs() - this.#sinceMs;
    try {
      await readLog(store, journalPrefix + workerLogName(logId), (frame, key) => {
        const run = new Run(Buffer.from(frame.payload)); // the frame's bytes are lent
        if (run.jobNumber !== invocation.job.number || run.attempt !== invocation.attempt) return;
        const { offsetBytes, lengthBytes } = frame;
        const location = { log: key.slice(journalPrefix.length), offsetBytes, lengthBytes };
        this.#report({ location, first: run.first, count: run.count, run: run.bytes, busyMs });
      });
      this.logIsThere = true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return this.isComplete;
  }

  /** How the supervisor ended, from what it left in the store. @throws RangeError */
  takeEnd(frame: Uint8Array): void {
    new FrameParser().push(frame, (one) => void this.#take(one));
  }

  /** The attempt was cut off: the task that had started, if that is known. */
  cutOff(): { readonly startedTask: number | undefined; readonly mayHaveStarted?: true } {
    if (this.started === undefined) return { startedTask: undefined };
    // Where one task is left, it is the one that had begun.
    if (this.cursor === this.#end - 1) return { startedTask: this.cursor };
    return { startedTask: undefined, mayHaveStarted: true };
  }

  /** A promise where it must be read first. */
  #take(frame: Frame): Promise<void> | undefined {
    const { type, head, body } = frame;
    const { attempt } = this.#parts.invocation;
    const { events } = this.#parts;
    switch (type) {
      case FRAME_STARTED:
        this.started = head as StartedHead;
        break;
      case FRAME_ALIVE:
        this.runningTask = (head as AliveHead).index;
        break;
      case FRAME_OUTCOMES:
        return this.#outcomes(head as OutcomesHead, body);
      case FRAME_CONSOLE:
        events.console({
          attempt,
          ...(head as ConsoleHead),
          index: (head as ConsoleHead).index,
          text: body.toString(),
        });
        break;
      case FRAME_REQUEST:
        events.request(attempt, (head as RequestHead).requestId, body);
        break;
      case FRAME_GUEST:
        this.#parts.onGuest?.((head as GuestHead).attempt, body);
        break;
      case FRAME_ENDED:
        this.#endedBy(head as EndedHead, body);
        break;
    }
    return undefined;
  }

  #outcomes({ location, first, count, busyMs }: OutcomesHead, body: Uint8Array): Promise<void> | undefined {
    if (body.length > 0) {
      this.#report({ location, first, count, busyMs, run: body });
      return undefined;
    }
    const { store, invocation } = this.#parts;
    const { log, offsetBytes, lengthBytes } = location!;
    const reading = readFrame(store, invocation.journalPrefix + log, offsetBytes, lengthBytes);
    return reading.then((run) => this.#report({ location, first, count, busyMs, run }));
  }

  /** Each outcome once: two workers may have been given the attempt. */
  #report(report: OutcomeReport): void {
    if (report.first !== this.cursor) return;
    this.cursor += report.count;
    this.#parts.events.progressed(this.#parts.invocation.attempt, report);
  }

  #endedBy({ end, billedMs }: EndedHead, error: Uint8Array): void {
    const { worker = "", memoryMb = 0, startMs } = this.started ?? {};
    const usage = { worker, memoryMb, billedMs, ...(startMs === undefined ? {} : { startMs }) };
    this.ended = { end: end.kind === "unloadable" ? { kind: end.kind, error } : end, usage };
  }
}
