import type { Clock } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { StoreLocation } from "../../storage/locate.ts";
import type { AttemptEnd, ComputeEvents } from "../contract.ts";
import { createLocalBackend, type LocalComputeBackend } from "../local/backend.ts";
import { encodeFrame } from "../local/protocol.ts";
import type { StartedProcess } from "../local/start-process.ts";
import type { RelayedInvocation } from "./guest.ts";
import { workerMemoryMb } from "./memory.ts";
import { FRAME_GUEST } from "./protocol.ts";
import { RelayedRun } from "./relayed-run.ts";

export interface SupervisorOptions {
  /** Name of this machine among the workers. */
  readonly worker: string;
  /** Its memory, of which the worker process gets all but `RESERVED_MB`. */
  readonly memoryMb: number;
  /** The worker's process, where it boots already: one with `workerMemoryMb`. */
  readonly started?: StartedProcess;
  /** A folder that is emptied before each task. */
  readonly scratch?: string;
  readonly openStore: (location: StoreLocation) => Promise<ObjectStore>;
  readonly clock: Clock;
}

/** What a supervisor is to do. */
export interface RelayedWork {
  readonly store: StoreLocation;
  /** With its log chosen; the slot doesn't matter. */
  readonly invocation: RelayedInvocation;
  /** Values of `secret(…)`, by name: the tasks' alone, and gone after them. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** When this machine is taken away, milliseconds since the epoch, and how long it was given for the attempt. */
  readonly deadline?: { readonly atMs: number; readonly limitMs: number };
  /** How long this machine took to start, where it was started for this attempt. */
  readonly startMs?: number;
}

/** Takes the chunks of one frame after the other. */
export type SendFrame = (chunks: readonly Uint8Array[]) => void;

/** One for the attempt, and one for each guest in it: a guest that waits may have a guest in turn. */
const MOST_SLOTS = 16;

/** What runs on the machine just now: an attempt, or a guest of one. */
interface Running {
  readonly run: RelayedRun;
  readonly host: number | undefined;
  /** How many hosts there are above it: the number of its slot. */
  readonly level: number;
}

/**
 * Runs attempts on a machine that the driver doesn't reach: a machine with one slot, whose worker process is the local
 * backend's. What happens to the process is told the driver in frames; whatever a task does, it costs the process only.
 * While its task waits for a nested job, a task of that job may run beside it, in another process.
 * Knows nothing of how frames travel.
 *
 * @example
 * const supervisor = new Supervisor({ worker: "w1", memoryMb: 1769, openStore: storeAt, clock: systemClock });
 * await supervisor.run(work, (chunks) => connection.write(Buffer.concat(chunks)));
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #started: StartedProcess | undefined;
  #backend: LocalComputeBackend | undefined;
  #backendStore = "";
  readonly #running = new Map<number, Running>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#started = options.started;
  }

  /** One attempt at a time. Resolves when all is told; never rejects for what a task or a store does. */
  async run(work: RelayedWork, send: SendFrame): Promise<void> {
    const backend = await this.#backendFor(work.store);
    const guests: Promise<void>[] = [];
    const takeGuest = (host: number, invocation: RelayedInvocation): void => {
      const { attempt } = invocation;
      const sendGuests: SendFrame = (chunks) =>
        send(encodeFrame(FRAME_GUEST, { attempt }, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
      const { store, secrets } = work;
      const guest = { store, invocation, ...(secrets ? { secrets } : {}) };
      guests.push(this.#begin(backend, guest, sendGuests, takeGuest, host));
    };
    try {
      await this.#begin(backend, work, send, takeGuest, undefined);
      await Promise.all(guests);
    } finally {
      this.#running.clear();
      backend.scale(1);
    }
  }

  async close(): Promise<void> {
    await this.#backend?.close();
  }

  #begin(
    backend: LocalComputeBackend,
    work: RelayedWork,
    send: SendFrame,
    takeGuest: (host: number, guest: RelayedInvocation) => void,
    host: number | undefined,
  ): Promise<void> {
    const { worker, memoryMb, clock, openStore } = this.#options;
    const { invocation } = work;
    const isGuest = host !== undefined;
    const level = isGuest ? (this.#running.get(host)?.level ?? 0) + 1 : 0;
    const run = new RelayedRun({
      work,
      send,
      backend,
      worker,
      memoryMb,
      clock,
      openStore,
      takeGuest,
      isGuest,
    });
    this.#running.set(invocation.attempt, { run, host, level });
    run.begin();
    if (level > 0) backend.scale(level + 1);
    const options = {
      ...invocation.options,
      ...(work.secrets ? { env: { ...work.secrets, ...invocation.options.env } } : {}),
      memoryMb: workerMemoryMb(memoryMb),
      inlineOutcomeBytes: 0,
    };
    backend.start({ ...invocation, slot: `local-${level}`, options });
    return run.ended;
  }

  #over(attempt: number, end: AttemptEnd): void {
    const over = this.#running.get(attempt);
    if (!over) return;
    this.#running.delete(attempt);
    over.run.over(end);
    for (const { run, host } of this.#running.values()) if (host === attempt) run.hostEnded();
    if (over.host !== undefined) this.#running.get(over.host)?.run.guestEnded();
  }

  /** Its worker is warm, unless the driver before had another store. */
  async #backendFor(store: StoreLocation): Promise<LocalComputeBackend> {
    const id = JSON.stringify(store);
    if (this.#backend && this.#backendStore === id) return this.#backend;
    await this.#backend?.close();
    const started = this.#started;
    this.#started = undefined;
    const backend = createLocalBackend({
      store,
      slots: MOST_SLOTS,
      guarded: false,
      scratch: this.#options.scratch,
      togetherMb: workerMemoryMb(this.#options.memoryMb),
      ...(started ? { started } : {}),
    });
    backend.open(this.#events());
    backend.scale(1);
    this.#backend = backend;
    this.#backendStore = id;
    return backend;
  }

  #events(): ComputeEvents {
    const of = (attempt: number) => this.#running.get(attempt)?.run;
    return {
      offer: () => {},
      withdrawn: () => {},
      progressed: (attempt, report) => of(attempt)?.progressed(report),
      ended: (attempt, end) => this.#over(attempt, end),
      console: (line) => of(line.attempt)?.console(line),
      request: (attempt, requestId, payload) => of(attempt)?.request(requestId, payload),
    };
  }
}
