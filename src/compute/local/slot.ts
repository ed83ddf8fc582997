import type { AttemptEnd, ComputeEvents, Invocation } from "../contract.ts";
import { verdictOf } from "./exit.ts";
import { endOfCrashed, Flight, type RunningTask, remove, runningTask, type Stop } from "./flight.ts";
import { ORDER_ABORT, ORDER_REVOKE, type Order, PHASE_IDLE, PHASE_TASK, type WorkerState } from "./marker.ts";
import {
  type ConsoleHead,
  type EndedHead,
  encodeFrame,
  FRAME_ABORT,
  FRAME_CONSOLE,
  FRAME_ENDED,
  FRAME_OUTCOMES,
  FRAME_REPLY,
  FRAME_REQUEST,
  type Frame,
  type RequestHead,
} from "./protocol.ts";
import { type SpawnWorker, WorkerSeat } from "./seat.ts";
import { TaskTimer } from "./task-timer.ts";
import { DEFAULT_GRACE_MS } from "./waits.ts";
import { decodeOutcomes, sequenceOf } from "./work-frames.ts";
import type { ProcessExit, WorkerProcess } from "./worker-process.ts";

/** What a slot needs of the backend around it. */
export interface SlotHost {
  readonly events: ComputeEvents;
  spawn(slot: string, ...how: Parameters<SpawnWorker>): WorkerProcess;
  /** Whether the kernel has killed for want of memory since this was last asked. */
  kernelKilled(): boolean;
  attemptEnded(): void;
  /** A retiring slot has nothing left to do. */
  retired(slot: Slot): void;
}

/** After so many failures in a row to start a worker, or to get an invocation going, the attempt ends. */
const START_TRIES = 5;
/** Before the second try; doubled each time. All of them together stay far below 5 s. */
const RESTART_AFTER_MS = 50;
/** Invocations that a worker may have before it, withdrawn ones included; the marker has room for more orders. */
const UNREAD_INVOCATIONS = 8;

const ENDED_WELL: AttemptEnd = { kind: "ok" };
const NO_BYTES = new Uint8Array(0);

/** A place where one invocation runs at a time, in a warm worker process. */
export class Slot {
  readonly id: string;
  readonly #host: SlotHost;
  readonly #seat: WorkerSeat;
  /** Attempts that can't be sent yet. */
  #waiting: Flight[] = [];
  /** Attempts in the worker's hands, oldest first. */
  #sent: Flight[] = [];
  /** Sequence number of the last invocation that the worker is done with. */
  #doneSequence = 0;
  #startFailures = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #retiring = false;

  constructor(id: string, host: SlotHost) {
    this.id = id;
    this.#host = host;
    this.#seat = new WorkerSeat((...how) => host.spawn(id, ...how), {
      ready: () => {
        this.#startFailures = 0;
      },
      frame: (frame) => this.#receive(frame),
      lines: (worker, stream, lines) => this.#printed(worker, stream, lines),
      exited: (worker, exit) => this.#exited(worker.marker.read(), exit),
    });
  }

  /** Starts a worker ahead of its first invocation. */
  warmUp(): void {
    this.#seat.warmUp();
  }

  get retiring(): boolean {
    return this.#retiring;
  }

  /** A retiring slot goes once its last attempt has ended. */
  set retiring(retiring: boolean) {
    this.#retiring = retiring;
    this.#goIfIdle();
  }

  start(invocation: Invocation): void {
    this.#waiting.push(new Flight(invocation));
    this.#pump();
  }

  /** @returns false where the slot doesn't have that attempt */
  cancel(attempt: number, how: "revoke" | "abort", graceMs = DEFAULT_GRACE_MS): boolean {
    const flight = this.#find(attempt);
    if (!flight) return false;
    if (this.#withdraw(flight, how === "revoke" ? ORDER_REVOKE : ORDER_ABORT)) {
      const kind = how === "revoke" ? "revoked" : "cancelled";
      queueMicrotask(() =>
        this.#emitEnd(flight, { kind, startedTask: undefined, evidence: `${kind} before it started` }),
      );
    } else if (how === "abort") {
      this.#stop(flight, { kind: "cancelled", evidence: "cancelled by the driver" }, graceMs);
    }
    return true;
  }

  reply(attempt: number, requestId: number, payload: Uint8Array): boolean {
    if (!this.#find(attempt)) return false;
    this.#seat.worker?.sendControl(encodeFrame(FRAME_REPLY, { requestId }, payload));
    return true;
  }

  running(attempt: number): RunningTask | undefined {
    const flight = this.#find(attempt);
    return flight && this.#seat.worker && runningTask(flight, this.#seat.worker.marker.read());
  }

  /** Ends all attempts and kills the worker. */
  close(evidence: string): void {
    clearTimeout(this.#restartTimer);
    this.#seat.vacate();
    const flights = [...this.#sent, ...this.#waiting];
    this.#sent = [];
    this.#waiting = [];
    for (const flight of flights)
      this.#emitEnd(flight, { kind: "cancelled", startedTask: undefined, evidence });
  }

  #find(attempt: number): Flight | undefined {
    const isIt = (flight: Flight) => flight.invocation.attempt === attempt;
    return this.#sent.find(isIt) ?? this.#waiting.find(isIt);
  }

  /** Sends what waits, as far as there is a worker that may have it. */
  #pump(): void {
    while (this.#waiting.length > 0 && this.#restartTimer === undefined) {
      const before = this.#seat.worker;
      const worker = this.#seat.take(this.#waiting[0]!.invocation.options, this.#sent.length > 0);
      if (worker !== before) this.#doneSequence = 0;
      if (!worker || worker.sent - this.#doneSequence >= UNREAD_INVOCATIONS) return;
      this.#send(worker, this.#waiting.shift()!);
    }
  }

  #send(worker: WorkerProcess, flight: Flight): void {
    const { invocation } = flight;
    flight.sequence = worker.invoke(invocation);
    this.#sent.push(flight);
    const { timeoutMs, isolate } = invocation.options;
    if (timeoutMs !== undefined) {
      flight.taskTimer = new TaskTimer(worker.marker, flight.sequence, timeoutMs, (index, evidence) =>
        this.#stop(flight, { kind: "timed-out", evidence }, DEFAULT_GRACE_MS, index),
      );
    }
    if (isolate) this.#seat.spend();
  }

  #receive(frame: Frame): void {
    if (frame.type === FRAME_OUTCOMES) {
      this.#outcomes(frame.body);
      return;
    }
    const { events } = this.#host;
    if (frame.type === FRAME_ENDED) {
      const { sequence, end } = frame.head as EndedHead;
      this.#workerDone(sequence, end, frame.body);
    } else if (frame.type === FRAME_CONSOLE) {
      const { attempt, index, stream, atMs } = frame.head as ConsoleHead;
      for (const text of textOf(frame.body).split("\n"))
        events.console({ attempt, index, stream, text, atMs });
    } else if (frame.type === FRAME_REQUEST) {
      const { attempt, requestId } = frame.head as RequestHead;
      if (this.#find(attempt)) events.request(attempt, requestId, frame.body);
    }
  }

  #outcomes(body: Buffer): void {
    const sequence = sequenceOf(body);
    const flight = this.#flightOf(sequence);
    const { ended, report } = decodeOutcomes(body);
    if (flight) this.#host.events.progressed(flight.invocation.attempt, report);
    if (ended) this.#workerDone(sequence, ENDED_WELL, NO_BYTES);
  }

  /** The attempt that the worker was sent under this number, unless it has ended. */
  #flightOf(sequence: number): Flight | undefined {
    for (const flight of this.#sent) if (flight.sequence === sequence) return flight;
    return undefined;
  }

  #workerDone(sequence: number, end: EndedHead["end"], body: Uint8Array): void {
    this.#doneSequence = sequence;
    const flight = this.#flightOf(sequence);
    if (flight) {
      this.#forget(flight);
      if (flight.invocation.options.isolate) {
        this.#seat.replaceSpent();
        this.#doneSequence = 0;
      }
      if (end.kind === "unloadable") this.#emitEnd(flight, { kind: "unloadable", error: body });
      else if (end.kind === "ok" || !flight.stop) this.#emitEnd(flight, end);
      else this.#emitEnd(flight, { ...flight.stop, startedTask: end.startedTask });
    }
    this.#pump();
  }

  /** What comes past the report channel belongs to the task that runs when it arrives. */
  #printed(worker: WorkerProcess, stream: "stdout" | "stderr", lines: string): void {
    const { attempt, phase, index: running } = worker.marker.read();
    if (attempt === 0) return;
    const index = phase === PHASE_TASK ? running : undefined;
    const atMs = Date.now();
    for (const text of lines.split("\n")) this.#host.events.console({ attempt, index, stream, text, atMs });
  }

  /** @returns false where it has started, or is just starting: the worker answers then */
  #withdraw(flight: Flight, order: Order): boolean {
    const worker = this.#seat.worker;
    if (flight.sequence > 0 && worker) {
      const put = worker.marker.order(flight.sequence, order);
      if (worker.marker.read().sequence >= flight.sequence) {
        if (order === ORDER_REVOKE) put.takeBack();
        return false;
      }
    }
    this.#forget(flight);
    return true;
  }

  #forget(flight: Flight): void {
    flight.clearTimers();
    remove(this.#sent, flight);
    remove(this.#waiting, flight);
  }

  /** Tells a running task, then ends its process. With `index`: only as long as that task runs. */
  #stop(flight: Flight, stop: Stop, graceMs: number, index?: number): void {
    const worker = this.#seat.worker;
    if (!worker || flight.sequence === 0) return;
    // A cancellation goes before a timeout, and the latest one decides how long the task may still take.
    if (flight.stop && stop.kind === "timed-out") return;
    clearTimeout(flight.graceTimer);
    const { sequence } = flight;
    flight.stop = stop;
    worker.sendControl(encodeFrame(FRAME_ABORT, { sequence, index, order: stop.kind }));
    const force = () => {
      const state = worker.marker.read();
      const stillRuns = state.sequence === sequence && state.index === index && state.phase !== PHASE_IDLE;
      if (index === undefined || stillRuns) {
        worker.kill();
      } else {
        flight.stop = undefined; // it has just gone on to another task
        flight.taskTimer?.resume();
      }
    };
    if (graceMs <= 0) force();
    else flight.graceTimer = setTimeout(force, graceMs).unref();
  }

  /** The worker has died. Charges the task that had started; attempts that hadn't are sent again. */
  #exited(state: WorkerState, exit: ProcessExit): void {
    if (!exit.wasReady) this.#startFailures += 1;
    this.#doneSequence = 0;
    const flights = this.#sent;
    this.#sent = [];
    const ends: [Flight, AttemptEnd][] = [];
    const again: Flight[] = [];
    const verdict = verdictOf(exit, exit.signal === "SIGKILL" && this.#host.kernelKilled());
    for (const flight of flights) {
      flight.clearTimers();
      if (flight.sequence <= state.sequence) {
        ends.push([flight, endOfCrashed(flight, flights, state, verdict)]);
      } else {
        flight.sequence = 0;
        if (exit.wasReady) flight.falseStarts += 1;
        again.push(flight);
      }
    }
    this.#waiting.unshift(...again);
    for (const flight of this.#hopeless()) {
      this.#forget(flight);
      const evidence = `no worker could start it, ${START_TRIES} times in a row; the last one: ${verdict.evidence}`;
      ends.push([flight, { kind: "crashed", startedTask: flight.invocation.first, evidence }]);
    }
    for (const [flight, end] of ends) this.#emitEnd(flight, end);
    if (!exit.wasReady) {
      this.#pumpLater();
    } else {
      if (flights.length > 0 && !this.#retiring) this.#seat.warmUp();
      this.#pump();
    }
  }

  #hopeless(): Flight[] {
    if (this.#startFailures >= START_TRIES) return [...this.#waiting];
    return this.#waiting.filter((flight) => flight.falseStarts >= START_TRIES);
  }

  #pumpLater(): void {
    const delayMs = RESTART_AFTER_MS * 2 ** Math.min(this.#startFailures - 1, START_TRIES - 1);
    clearTimeout(this.#restartTimer);
    this.#restartTimer = setTimeout(() => {
      this.#restartTimer = undefined;
      this.#pump();
    }, delayMs).unref();
  }

  #emitEnd(flight: Flight, end: AttemptEnd): void {
    flight.clearTimers();
    this.#host.events.ended(flight.invocation.attempt, end);
    this.#host.attemptEnded();
    this.#goIfIdle();
  }

  #goIfIdle(): void {
    if (!this.#retiring || this.#sent.length + this.#waiting.length > 0) return;
    clearTimeout(this.#restartTimer);
    this.#seat.vacate();
    this.#host.retired(this);
  }
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
