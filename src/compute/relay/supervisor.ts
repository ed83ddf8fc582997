import type { Clock } from "../../clock.ts";
import type { ObjectStore } from "../../storage/contract.ts";
import type { StoreLocation } from "../../storage/locate.ts";
import type { AttemptEnd, ComputeEvents, Invocation } from "../contract.ts";
import { createLocalBackend, type LocalComputeBackend } from "../local/backend.ts";
import type { StartedProcess } from "../local/start-process.ts";
import { workerMemoryMb } from "./memory.ts";
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
  readonly invocation: Invocation & { readonly logId: string };
  /** When this machine is taken away, milliseconds since the epoch, and how long it was given for the attempt. */
  readonly deadline?: { readonly atMs: number; readonly limitMs: number };
  /** How long this machine took to start, where it was started for this attempt. */
  readonly startMs?: number;
}

/** Takes the chunks of one frame after the other. */
export type SendFrame = (chunks: readonly Uint8Array[]) => void;

const SLOT = "local-0";

/**
 * Runs attempts on a machine that the driver doesn't reach: a machine with one slot, whose worker process is the local
 * backend's. What happens to the process is told the driver in frames; whatever a task does, it costs the process only.
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
  #current: RelayedRun | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#started = options.started;
  }

  /** One attempt at a time. Resolves when all is told; never rejects for what a task or a store does. */
  async run(work: RelayedWork, send: SendFrame): Promise<void> {
    const backend = await this.#backendFor(work.store);
    const { worker, memoryMb, clock, openStore } = this.#options;
    const run = new RelayedRun({ work, send, backend, worker, memoryMb, clock, openStore });
    this.#current = run;
    const { invocation } = work;
    const options = { ...invocation.options, memoryMb: workerMemoryMb(memoryMb), inlineOutcomeBytes: 0 };
    try {
      run.begin();
      backend.start({ ...invocation, slot: SLOT, options });
      await run.ended;
    } finally {
      this.#current = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#backend?.close();
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
      slots: 1,
      guarded: false,
      scratch: this.#options.scratch,
      ...(started ? { started } : {}),
    });
    backend.open(this.#events());
    backend.scale(1);
    this.#backend = backend;
    this.#backendStore = id;
    return backend;
  }

  #events(): ComputeEvents {
    return {
      offer: () => {},
      withdrawn: () => {},
      progressed: (_, report) => this.#current?.progressed(report),
      ended: (_, end: AttemptEnd) => this.#current?.over(end),
      console: (line) => this.#current?.console(line),
      request: (_, requestId, payload) => this.#current?.request(requestId, payload),
    };
  }
}
