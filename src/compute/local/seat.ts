import type { InvocationOptions } from "../contract.ts";
import type { Frame } from "./protocol.ts";
import type { ProcessExit, WorkerEvents, WorkerProcess } from "./worker-process.ts";

export type SpawnWorker = (memoryMb: number | undefined, events: WorkerEvents) => WorkerProcess;

export interface SeatEvents {
  ready(): void;
  frame(frame: Frame): void;
  /** Also of workers that were replaced: what they printed is still on its way. */
  lines(worker: WorkerProcess, stream: "stdout" | "stderr", lines: string): void;
  /** The worker has ended by itself, or was killed; not where it was replaced. */
  exited(worker: WorkerProcess, exit: ProcessExit): void;
}

/** The worker process of a slot: chooses, replaces and pre-starts it. */
export class WorkerSeat {
  readonly #spawnWorker: SpawnWorker;
  readonly #events: SeatEvents;
  #worker: WorkerProcess | undefined;
  /** Already started for the next isolated invocation. */
  #spare: WorkerProcess | undefined;
  /** The worker has run an isolated invocation, and gets no other. */
  #spent = false;
  #memoryMb: number | undefined;

  constructor(spawnWorker: SpawnWorker, events: SeatEvents) {
    this.#spawnWorker = spawnWorker;
    this.#events = events;
  }

  get worker(): WorkerProcess | undefined {
    return this.#worker;
  }

  /** Starts a worker ahead of its first invocation, like the one before. */
  warmUp(): void {
    if (!this.#worker) this.#replace(this.#memoryMb);
  }

  /** The worker for an invocation with these options; undefined where the present one must end its work first. */
  take(options: InvocationOptions, isBusy: boolean): WorkerProcess | undefined {
    const worker = this.#worker;
    const fits =
      worker && !this.#spent && worker.memoryMb === options.memoryMb && !(options.isolate && worker.sent > 0);
    if (fits) return worker;
    if (worker && isBusy) return undefined;
    this.#replace(options.memoryMb);
    return this.#worker;
  }

  /** The worker was given an isolated invocation: the next one's process starts meanwhile. */
  spend(): void {
    this.#spent = true;
    this.#spare ??= this.#spawn(this.#worker?.memoryMb);
  }

  /** The isolated invocation is over. */
  replaceSpent(): void {
    if (this.#spent) this.#replace(this.#worker?.memoryMb);
  }

  /** Kills what is there. */
  vacate(): void {
    const [worker, spare] = [this.#worker, this.#spare];
    this.#worker = this.#spare = undefined;
    this.#spent = false;
    worker?.kill();
    spare?.kill();
  }

  #replace(memoryMb: number | undefined): void {
    const [old, spare] = [this.#worker, this.#spare];
    this.#spare = undefined;
    this.#spent = false;
    this.#memoryMb = memoryMb;
    const fits = spare !== undefined && spare.memoryMb === memoryMb;
    this.#worker = fits ? spare : this.#spawn(memoryMb);
    if (!fits) spare?.kill();
    old?.kill();
  }

  #spawn(memoryMb: number | undefined): WorkerProcess {
    const worker: WorkerProcess = this.#spawnWorker(memoryMb, {
      ready: () => this.#events.ready(),
      frame: (frame) => {
        if (worker === this.#worker) this.#events.frame(frame);
      },
      lines: (stream, lines) => this.#events.lines(worker, stream, lines),
      exited: (exit) => {
        if (worker === this.#spare) this.#spare = undefined;
        if (worker !== this.#worker) return;
        this.#worker = undefined;
        this.#spent = false;
        this.#events.exited(worker, exit);
      },
    });
    return worker;
  }
}
