import os from "node:os";
import type { StoreLocation } from "../../storage/locate.ts";
import type { ComputeBackend, ComputeEvents, Invocation, WorkerTarget } from "../contract.ts";
import { kernelOomKills } from "./exit.ts";
import type { RunningTask } from "./flight.ts";
import { Guard } from "./guard.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { Slot, type SlotHost } from "./slot.ts";
import type { StartedProcess } from "./start-process.ts";
import { type WorkerEvents, WorkerProcess } from "./worker-process.ts";

export interface LocalBackendOptions {
  /** The store that the workers open. */
  readonly store: StoreLocation;
  /** The most worker processes; default: the machine's cores, as far as this process may use them. */
  readonly slots?: number;
  /** The `node` to run, default this process's own. */
  readonly execPath?: string;
  /** Its options, default this process's own less those for debugging, tests and `--eval`. */
  readonly execArgv?: readonly string[];
  /** Starts one worker process with `open`, so that it boots while the first job is being prepared. Default false. */
  readonly warm?: boolean;
  /** `execPath` runs workers where they don't see this machine's files (ComputeBackend.target). */
  readonly target?: WorkerTarget;
  /** The process of that worker, where the program has started it already. */
  readonly started?: StartedProcess;
  /** False: no process sees to it that none outlives this one; where all end together anyway. Default true. */
  readonly guarded?: boolean;
  /** A folder that is emptied before each task of the first slot: those of others run beside one of its tasks. */
  readonly scratch?: string | undefined;
  /** Memory of all workers together, beside what each may use: who came last is stopped. */
  readonly togetherMb?: number;
}

export interface LocalComputeBackend extends ComputeBackend {
  /** What an attempt is at just now; undefined between tasks, and where it isn't in a worker's hands. */
  running(attempt: number): RunningTask | undefined;
}

/** Attempts that a slot takes beside the one that runs. */
const QUEUE = 1;
const FIRST_SLOT = "local-0";
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs invocations on this machine, in worker processes that are kept warm. A process that dies costs one attempt;
 * none outlives the driver. While no attempt is under way, it doesn't keep the driver's event loop alive.
 *
 * @example
 * const backend = createLocalBackend({ store: { kind: "disk", root: ".kinglet" } });
 * backend.open(events);
 * backend.scale(2); // → offer("local-0", 1), offer("local-1", 1)
 */
export function createLocalBackend(options: LocalBackendOptions): LocalComputeBackend {
  return new LocalBackend(options);
}

class LocalBackend implements LocalComputeBackend {
  readonly maxSlots: number;
  readonly target: WorkerTarget | undefined;
  readonly #options: LocalBackendOptions;
  readonly #guard: Guard;
  readonly #memoryWatch: MemoryWatch;
  readonly #slots = new Map<string, Slot>();
  /** Has a worker already, but wasn't asked for yet. */
  #warmSlot: Slot | undefined;
  /** Processes that have not ended yet, also replaced ones. */
  readonly #exits = new Set<Promise<void>>();
  readonly #host: SlotHost;
  /** Holds the event loop while attempts are under way: processes and channels don't. */
  readonly #keepAlive = setInterval(() => {}, LONGEST_TIMER_MS).unref();
  #events: ComputeEvents | undefined;
  #started: StartedProcess | undefined;
  #underWay = 0;
  #oomKills = kernelOomKills();
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(options: LocalBackendOptions) {
    this.#options = options;
    this.#guard = new Guard(options.guarded);
    this.#memoryWatch = new MemoryWatch(options.togetherMb);
    this.#started = options.started;
    this.target = options.target;
    this.maxSlots = options.slots ?? os.availableParallelism();
    this.#host = {
      events: this.#relay(),
      spawn: (slot, memoryMb, events) => this.#spawn(slot, memoryMb, events),
      kernelKilled: () => this.#kernelKilled(),
      attemptEnded: () => this.#count(-1),
      retired: (slot) => {
        this.#slots.delete(slot.id);
        this.#host.events.withdrawn(slot.id);
      },
    };
  }

  get description(): string {
    return `local, up to ${this.maxSlots} process${this.maxSlots === 1 ? "" : "es"}`;
  }

  open(events: ComputeEvents): void {
    this.#events = events;
    if (!this.#options.warm) return;
    this.#warmSlot = new Slot(FIRST_SLOT, this.#host);
    this.#warmSlot.warmUp();
  }

  scale(slots: number): void {
    if (this.#closing) return;
    const wanted = Math.min(Math.max(0, Math.floor(slots)), this.maxSlots);
    for (let i = 0; i < wanted; i++) this.#offer(`local-${i}`);
    for (const slot of this.#slots.values()) {
      if (Number(slot.id.slice("local-".length)) >= wanted && !slot.retiring) {
        queueMicrotask(() => {
          slot.retiring = true;
        });
      }
    }
  }

  start(invocation: Invocation): void {
    const slot = this.#slots.get(invocation.slot);
    this.#count(+1);
    if (slot && !this.#closing) {
      slot.start(invocation);
      return;
    }
    const evidence = this.#closing ? "the pool is closed" : `there is no slot ${invocation.slot}`;
    queueMicrotask(() => {
      this.#host.events.ended(invocation.attempt, { kind: "lost", startedTask: undefined, evidence });
      this.#count(-1);
    });
  }

  cancel(attempt: number, how: "revoke" | "abort", graceMs?: number): void {
    for (const slot of this.#slots.values()) if (slot.cancel(attempt, how, graceMs)) return;
  }

  reply(attempt: number, requestId: number, payload: Uint8Array): void {
    for (const slot of this.#slots.values()) if (slot.reply(attempt, requestId, payload)) return;
  }

  running(attempt: number): RunningTask | undefined {
    for (const slot of this.#slots.values()) {
      const task = slot.running(attempt);
      if (task) return task;
    }
    return undefined;
  }

  close(): Promise<void> {
    this.#closing = true;
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#keepAlive.ref();
    this.#memoryWatch.close();
    this.#warmSlot?.close("the pool was closed");
    for (const slot of this.#slots.values()) slot.close("the pool was closed");
    this.#slots.clear();
    await Promise.all(this.#exits);
    await this.#guard.close();
    this.#events = undefined;
    clearInterval(this.#keepAlive);
  }

  #offer(id: string): void {
    const known = this.#slots.get(id);
    if (known && !known.retiring) return;
    const slot = known ?? this.#takeWarm(id) ?? new Slot(id, this.#host);
    slot.retiring = false;
    slot.warmUp();
    this.#slots.set(id, slot);
    queueMicrotask(() => {
      if (this.#slots.get(id) === slot && !slot.retiring) this.#host.events.offer(id, QUEUE);
    });
  }

  #takeWarm(id: string): Slot | undefined {
    const slot = this.#warmSlot;
    if (slot?.id !== id) return undefined;
    this.#warmSlot = undefined;
    return slot;
  }

  #spawn(slot: string, memoryMb: number | undefined, events: WorkerEvents): WorkerProcess {
    const { store, execPath = process.execPath, execArgv = process.execArgv } = this.#options;
    const started = this.#started?.memoryMb === memoryMb ? this.#started : undefined;
    if (started) this.#started = undefined;
    const scratch = slot === FIRST_SLOT ? this.#options.scratch : undefined;
    const settings = { store, scratch, guard: this.#guard, memoryMb, execPath, execArgv, started };
    const exit = Promise.withResolvers<void>();
    this.#exits.add(exit.promise);
    const worker = new WorkerProcess(settings, {
      ...events,
      exited: (how) => {
        this.#memoryWatch.remove(worker);
        events.exited(how);
        this.#exits.delete(exit.promise);
        exit.resolve();
      },
    });
    if (memoryMb !== undefined) this.#memoryWatch.add(worker);
    return worker;
  }

  /** Nothing is told any more once `close` has resolved. */
  #relay(): ComputeEvents {
    return {
      offer: (slot, queue) => this.#events?.offer(slot, queue),
      withdrawn: (slot) => this.#events?.withdrawn(slot),
      progressed: (attempt, report) => this.#events?.progressed(attempt, report),
      ended: (attempt, end) => this.#events?.ended(attempt, end),
      console: (line) => this.#events?.console(line),
      request: (attempt, requestId, payload) => this.#events?.request(attempt, requestId, payload),
    };
  }

  #kernelKilled(): boolean {
    const before = this.#oomKills;
    this.#oomKills = kernelOomKills();
    return before !== undefined && this.#oomKills !== undefined && this.#oomKills > before;
  }

  #count(change: 1 | -1): void {
    this.#underWay += change;
    if (this.#underWay === 1 && change === 1) this.#keepAlive.ref();
    else if (this.#underWay === 0 && !this.#closing) this.#keepAlive.unref();
  }
}
