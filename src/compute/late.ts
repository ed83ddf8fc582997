import type { ComputeBackend, ComputeEvents, Invocation } from "./contract.ts";

/** What is known of a backend before its code is loaded. */
export type KnownBefore = Pick<
  ComputeBackend,
  "description" | "maxSlots" | "target" | "memory" | "maxTaskMs" | "prices" | "takesGuests"
>;

/**
 * A backend whose code is loaded while the program goes on: `openPool` answers at once, and who computes on this machine
 * never loads it.
 */
export class LateBackend implements ComputeBackend {
  readonly description: string;
  readonly maxSlots: number;
  declare readonly target?: NonNullable<ComputeBackend["target"]>;
  declare readonly memory?: NonNullable<ComputeBackend["memory"]>;
  declare readonly maxTaskMs?: number;
  declare readonly prices?: NonNullable<ComputeBackend["prices"]>;
  declare readonly takesGuests?: true;
  readonly #load: () => Promise<ComputeBackend>;
  #loading: Promise<ComputeBackend> | undefined;
  #backend: ComputeBackend | undefined;
  #events: ComputeEvents | undefined;
  #closed = false;

  constructor(known: KnownBefore, load: () => Promise<ComputeBackend>) {
    this.description = known.description;
    this.maxSlots = known.maxSlots;
    if (known.target) this.target = known.target;
    if (known.memory) this.memory = known.memory;
    if (known.takesGuests) this.takesGuests = true;
    if (known.prices) this.prices = known.prices;
    if (known.maxTaskMs !== undefined) this.maxTaskMs = known.maxTaskMs;
    this.#load = load;
  }

  open(events: ComputeEvents): void {
    this.#events = events;
  }

  /** Loads it: before it has offered a slot, nothing else is asked of it. */
  scale(slots: number): void {
    if (this.#closed) return;
    if (this.#backend) {
      this.#backend.scale(slots);
      return;
    }
    this.#loading ??= this.#open();
    void this.#loading.then((backend) => backend.scale(slots));
  }

  async #open(): Promise<ComputeBackend> {
    const backend = await this.#load();
    if (!this.#closed) backend.open(this.#events!);
    this.#backend = backend;
    return backend;
  }

  start(invocation: Invocation): void {
    this.#backend!.start(invocation);
  }

  cancel(attempt: number, how: "revoke" | "abort", graceMs?: number): void {
    this.#backend?.cancel(attempt, how, graceMs);
  }

  reply(attempt: number, requestId: number, payload: Uint8Array): void {
    this.#backend?.reply(attempt, requestId, payload);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#loading)?.close();
  }
}
