import type {
  AttemptEnd,
  ComputeBackend,
  ComputeEvents,
  ComputePrices,
  Invocation,
} from "../../src/compute/contract.ts";
import type { OutcomeLocation } from "../../src/job/contract.ts";
import { ENTRY_THREW, ENTRY_VALUE, type EntryKind, Run, RunBuilder } from "../../src/job/entries.ts";
import { frameChunks } from "../../src/job/frames.ts";
import type { LogWriter, ObjectStore } from "../../src/storage/contract.ts";
import type { Dice, SimProcess, World } from "./world.ts";

/** What becomes of a task, each time that it starts; `tries` counts from 1, over all drivers. */
export type Fate =
  | { readonly kind: "value" | "throw" | "crash" | "lost" | "out-of-memory" | "hang"; readonly ms: number }
  /** Runs out of memory where it has less. */
  | { readonly kind: "memory"; readonly ms: number; readonly needsMb: number }
  /** Starts a nested job and waits for it, or doesn't wait, or crashes meanwhile. */
  | { readonly kind: "nested"; readonly ms: number; readonly next: "waits" | "goes on" | "crashes" };

export interface TaskScript {
  fate(index: number, tries: number): Fate;
  /** A worker has started the task; says how often by now. */
  started(index: number): number;
  readonly unloadable: boolean;
}

export interface ComputeFaults {
  readonly queue: number;
  readonly latencyMs: number;
  /** How likely each is, for each attempt, batch report or slot. */
  readonly throttled: number;
  readonly diesUnstarted: number;
  readonly reportLost: number;
  readonly reportTwice: number;
  /** After each task, rather than at the end of its batch. */
  readonly reportEarly: number;
  readonly slowWorker: number;
  readonly withdrawn: number;
  /** A machine dies as a whole, and which task had started isn't known. Default 0. */
  readonly killedWhole?: number;
}

/** Sees what the backend is told, and what it tells. */
export interface ComputeWatcher {
  starts(invocation: Invocation): void;
  ends(invocation: Invocation, end: AttemptEnd): void;
  problem(what: string): void;
}

/** Of all workers, where they cost something. */
export const SIM_MEMORY_MB = 1024;

interface SimAttempt {
  runsSinceMs?: number;
  readonly invocation: Invocation;
  readonly slot: SimSlot;
  state: "sent" | "queued" | "running" | "ended";
  task: number | undefined;
  /** Tasks before this one were reported. */
  reported: number;
  stop: (() => void) | undefined;
  resume: (() => void) | undefined;
}

interface SimSlot {
  readonly name: string;
  readonly queue: SimAttempt[];
  current: SimAttempt | undefined;
  slow: boolean;
  /** Workers that the slot had; each writes a log of its own. */
  worker: number;
  logs: Map<string, LogWriter>;
  retiring: boolean;
  gone: boolean;
  lastToDriverMs: number;
  lastToWorkerMs: number;
}

/** Workers and their channels, simulated: latency, crashes, loss, duplicates, slow ones, slots that come and go. */
export class SimCompute implements ComputeBackend {
  declare readonly prices?: ComputePrices;
  readonly description = "simulated";
  readonly maxSlots: number;
  declare readonly takesGuests?: true;
  declare readonly memory?: { readonly defaultMb: number; readonly maxMb: number };
  readonly #world: World;
  readonly #driver: SimProcess;
  readonly #disk: ObjectStore;
  readonly #dice: Dice;
  readonly #faults: ComputeFaults;
  readonly #scriptOf: (journalId: string, jobNumber: number) => TaskScript;
  readonly #watcher: ComputeWatcher;
  readonly #quota: number;
  readonly #mostSlots: number;
  readonly #slots = new Map<string, SimSlot>();
  readonly #attempts = new Map<number, SimAttempt>();
  #events!: ComputeEvents;
  #wanted = 0;
  #named = 0;
  #dead = false;

  constructor(options: {
    world: World;
    driver: SimProcess;
    disk: ObjectStore;
    dice: Dice;
    maxSlots: number;
    faults: ComputeFaults;
    scriptOf: (journalId: string, jobNumber: number) => TaskScript;
    watcher: ComputeWatcher;
    memory?: { readonly defaultMb: number; readonly maxMb: number };
    prices?: ComputePrices;
    /** So many workers run at a time, whatever is asked: the others are throttled. Waiting tasks take guests then. */
    quota?: number | undefined;
    /** The most slots that it offers, lent ones included. */
    mostSlots?: number | undefined;
  }) {
    this.#quota = options.quota ?? Number.POSITIVE_INFINITY;
    this.#mostSlots = options.mostSlots ?? Number.POSITIVE_INFINITY;
    if (options.quota !== undefined) this.takesGuests = true;
    if (options.prices) this.prices = options.prices;
    if (options.memory) this.memory = options.memory;
    this.#world = options.world;
    this.#driver = options.driver;
    this.#disk = options.disk;
    this.#dice = options.dice;
    this.maxSlots = options.maxSlots;
    this.#faults = options.faults;
    this.#scriptOf = options.scriptOf;
    this.#watcher = options.watcher;
  }

  open(events: ComputeEvents): void {
    this.#events = events;
  }

  scale(slots: number): void {
    this.#wanted = Math.min(slots, this.#mostSlots);
    this.#adjust();
  }

  #adjust(): void {
    const active = [...this.#slots.values()].filter((slot) => !slot.retiring);
    for (let missing = this.#wanted - active.length; missing > 0; missing--) this.#addSlot();
    const idle = (slot: SimSlot) => !slot.current && slot.queue.length === 0;
    active.sort((a, b) => Number(idle(b)) - Number(idle(a)));
    for (const slot of active.slice(0, Math.max(0, active.length - this.#wanted))) {
      if (idle(slot)) this.#withdraw(slot);
      else this.#retire(slot);
    }
  }

  #newSlot(): SimSlot {
    return {
      name: `${this.#driver.name}-${this.#named++}`,
      queue: [],
      current: undefined,
      slow: this.#dice.chance(this.#faults.slowWorker),
      worker: 0,
      logs: new Map(),
      retiring: false,
      gone: false,
      lastToDriverMs: 0,
      lastToWorkerMs: 0,
    };
  }

  #addSlot(): void {
    const slot = this.#newSlot();
    this.#slots.set(slot.name, slot);
    this.#tell(slot, () => {
      if (!slot.gone) this.#events.offer(slot.name, this.#faults.queue);
    });
    if (this.#dice.chance(this.#faults.withdrawn)) {
      this.#world.after(this.#dice.int(1, 400), () => this.#withdraw(slot));
    }
  }

  /** It takes nothing more, and goes when it is done. */
  #retire(slot: SimSlot): void {
    slot.retiring = true;
    this.#tell(slot, () => {
      if (!slot.gone) this.#events.offer(slot.name, -1);
    });
  }

  #withdraw(slot: SimSlot): void {
    if (slot.gone || this.#dead) return;
    // Told at once: the driver must hear of the ends before the withdrawal, and can't start anything in between.
    this.#driver.deliver(() => {
      if (slot.gone || this.#dead) return;
      slot.gone = true;
      this.#slots.delete(slot.name);
      slot.current?.stop?.();
      for (const attempt of [...this.#attempts.values()]) {
        if (attempt.slot !== slot) continue;
        attempt.state = "ended";
        this.#endGuests(attempt);
        this.#attempts.delete(attempt.invocation.attempt);
        const end = {
          kind: "lost",
          startedTask: attempt.task,
          evidence: "simulated: the slot went",
        } as const;
        this.#tellEnd(attempt, end);
      }
      this.#events.withdrawn(slot.name);
      this.#world.after(this.#dice.int(0, 50), () => this.#adjust());
    });
  }

  start(invocation: Invocation): void {
    this.#watcher.starts(invocation);
    const slot = this.#slotFor(invocation);
    if (!slot || slot.gone) {
      // It crossed the withdrawal.
      const end = {
        kind: invocation.host === undefined ? "lost" : "revoked",
        startedTask: undefined,
        evidence: "simulated: there is no such slot",
      } as const;
      this.#driver.after(0, () => {
        this.#watcher.ends(invocation, end);
        this.#events.ended(invocation.attempt, end);
      });
      return;
    }
    const held = [...this.#attempts.values()].filter((a) => a.slot === slot).length;
    if (held > this.#faults.queue) this.#watcher.problem(`slot ${slot.name} holds ${held} attempts`);
    const inputs = new Run(invocation.inputs);
    if (inputs.first !== invocation.first || inputs.count !== invocation.count) {
      this.#watcher.problem(
        `attempt ${invocation.attempt} got the inputs of ${inputs.first}+${inputs.count}`,
      );
    }
    for (let i = inputs.first; i < inputs.end; i++) {
      const [input] = Buffer.from(inputs.entry(i).body.subarray(0, 30)).toString().split("\0");
      if (input !== `input ${i}`) this.#watcher.problem(`task ${i} got "${input}"`);
    }
    const attempt: SimAttempt = {
      invocation,
      slot,
      state: "sent",
      task: undefined,
      reported: invocation.first,
      stop: undefined,
      resume: undefined,
    };
    this.#attempts.set(invocation.attempt, attempt);
    this.#reach(slot, () => {
      if (attempt.state !== "sent") return;
      attempt.state = "queued";
      slot.queue.push(attempt);
      this.#next(slot);
    });
  }

  /** A guest has a process of its own beside its host's. */
  #slotFor({ slot, host }: Invocation): SimSlot | undefined {
    if (host === undefined) return this.#slots.get(slot);
    const at = this.#attempts.get(host);
    if (at?.state !== "running") return undefined;
    for (const other of this.#guestsOf(at)) {
      this.#watcher.problem(`attempt ${host} has a guest already, ${other.invocation.attempt}`);
    }
    return this.#newSlot();
  }

  #guestsOf({ invocation }: SimAttempt): SimAttempt[] {
    return [...this.#attempts.values()].filter(
      (one) => one.invocation.host === invocation.attempt && one.state !== "ended",
    );
  }

  cancel(id: number, how: "revoke" | "abort"): void {
    const attempt = this.#attempts.get(id);
    if (!attempt || attempt.state === "ended") return;
    this.#reach(attempt.slot, () => {
      if (attempt.state === "queued") {
        attempt.slot.queue.splice(attempt.slot.queue.indexOf(attempt), 1);
        const kind = how === "revoke" ? "revoked" : "cancelled";
        this.#end(attempt, { kind, startedTask: undefined, evidence: "simulated" });
      } else if (attempt.state === "running" && how === "abort") {
        this.#world.after(this.#dice.int(0, 20), () => {
          if (attempt.state !== "running") return;
          attempt.stop?.();
          this.#end(attempt, { kind: "cancelled", startedTask: attempt.task, evidence: "simulated" });
          this.#free(attempt.slot);
        });
      }
    });
  }

  reply(id: number): void {
    const attempt = this.#attempts.get(id);
    if (attempt) this.#reach(attempt.slot, () => attempt.resume?.());
  }

  async close(): Promise<void> {}

  /** The driver is gone: its workers go too, each in its own time. */
  driverDied(): void {
    for (const slot of this.#slots.values()) {
      this.#world.after(this.#dice.int(0, 1000), () => {
        slot.gone = true;
        slot.current?.stop?.();
        for (const attempt of this.#attempts.values()) if (attempt.slot === slot) attempt.state = "ended";
      });
    }
  }

  // — channels: in order, each message after a while

  #tell(slot: SimSlot, message: () => void): void {
    slot.lastToDriverMs = Math.max(slot.lastToDriverMs, this.#world.nowMs + this.#latencyMs());
    this.#world.after(slot.lastToDriverMs - this.#world.nowMs, () => this.#driver.deliver(message));
  }

  #reach(slot: SimSlot, message: () => void): void {
    slot.lastToWorkerMs = Math.max(slot.lastToWorkerMs, this.#world.nowMs + this.#latencyMs());
    this.#world.after(slot.lastToWorkerMs - this.#world.nowMs, () => {
      if (!slot.gone) message();
    });
  }

  #latencyMs(): number {
    return this.#dice.int(0, this.#faults.latencyMs);
  }

  #end(attempt: SimAttempt, end: AttemptEnd): void {
    if (attempt.state === "ended") return;
    attempt.state = "ended";
    const id = attempt.invocation.attempt;
    this.#endGuests(attempt);
    this.#tell(attempt.slot, () => {
      if (!this.#attempts.delete(id)) return;
      this.#tellEnd(attempt, end);
    });
  }

  /** They go with the worker that they are guests of. */
  #endGuests(host: SimAttempt): void {
    for (const guest of this.#guestsOf(host)) {
      guest.stop?.();
      const startedTask = guest.state === "running" ? guest.task : undefined;
      guest.slot.queue.length = 0;
      this.#end(guest, { kind: "lost", startedTask, evidence: "simulated: its host is over" });
    }
  }

  #tellEnd({ invocation, slot, runsSinceMs }: SimAttempt, end: AttemptEnd): void {
    const billedMs = runsSinceMs === undefined ? 0 : this.#world.nowMs - runsSinceMs;
    this.#watcher.ends(invocation, end);
    this.#events.ended(
      invocation.attempt,
      end,
      this.prices && { worker: slot.name, billedMs, memoryMb: SIM_MEMORY_MB },
    );
  }

  // — workers

  #free(slot: SimSlot): void {
    slot.current = undefined;
    this.#next(slot);
  }

  #next(slot: SimSlot): void {
    if (slot.current || slot.gone) return;
    const attempt = slot.queue.shift();
    if (!attempt) {
      if (slot.retiring) this.#retireIfDone(slot);
      return;
    }
    slot.current = attempt;
    attempt.state = "running";
    attempt.runsSinceMs = this.#world.nowMs;
    const { invocation } = attempt;
    const script = this.#scriptOf(invocation.job.journalId, invocation.job.number);
    const refused = this.#refusal(script, invocation);
    if (refused) {
      this.#end(attempt, refused);
      this.#free(slot);
    } else this.#runTask(attempt, script, invocation.first, this.#newRun(attempt, invocation.first), 0);
  }

  #retireIfDone(slot: SimSlot): void {
    // After what was told before: the ends of its attempts, and that it takes nothing more.
    this.#tell(slot, () => {
      const held = [...this.#attempts.values()].some((attempt) => attempt.slot === slot);
      if (!held) this.#withdraw(slot);
    });
  }

  #refusal(script: TaskScript, { host }: Invocation): AttemptEnd | undefined {
    const inUse = [...this.#attempts.values()].filter(
      (one) => one.state === "running" && one.invocation.host === undefined,
    ).length;
    if (host === undefined && inUse > this.#quota) {
      return { kind: "throttled", startedTask: undefined, evidence: "simulated: the quota is used up" };
    }
    if (script.unloadable) return { kind: "unloadable", error: Buffer.from("simulated: no such module") };
    const nothing = { startedTask: undefined, evidence: "simulated" };
    if (this.#dice.chance(this.#faults.throttled)) return { kind: "throttled", ...nothing };
    if (this.#dice.chance(this.#faults.diesUnstarted)) {
      return { kind: this.#dice.pick(["lost", "crashed", "cancelled"] as const), ...nothing };
    }
    return undefined;
  }

  #newRun(attempt: SimAttempt, first: number): RunBuilder {
    return new RunBuilder({
      jobNumber: attempt.invocation.job.number,
      attempt: attempt.invocation.attempt,
      first,
    });
  }

  #runTask(attempt: SimAttempt, script: TaskScript, index: number, run: RunBuilder, busyMs: number): void {
    attempt.task = index;
    const fate = script.fate(index, script.started(index));
    const ms = fate.ms * (attempt.slot.slow ? 40 : 1);
    const { timeoutMs } = attempt.invocation.options;
    if (fate.kind === "hang" || (timeoutMs !== undefined && ms > timeoutMs)) {
      this.#later(attempt, timeoutMs ?? 60_000, () => this.#die(attempt, "timed-out"));
    } else if (fate.kind === "crash" || fate.kind === "lost") {
      this.#later(attempt, ms, () => this.#die(attempt, fate.kind === "lost" ? "lost" : "crashed"));
    } else if (fate.kind === "memory") {
      const hasMb = attempt.invocation.options.memoryMb ?? this.memory?.defaultMb ?? 0;
      this.#later(attempt, ms, () =>
        hasMb < fate.needsMb
          ? this.#die(attempt, "out-of-memory")
          : this.#taskDone(attempt, script, index, run, ENTRY_VALUE, busyMs + ms),
      );
    } else if (fate.kind === "out-of-memory")
      this.#later(attempt, ms, () => this.#die(attempt, "out-of-memory"));
    else if (fate.kind === "nested") {
      this.#askForNested(attempt, fate, () =>
        this.#taskDone(attempt, script, index, run, ENTRY_VALUE, busyMs + ms),
      );
    } else {
      const kind = fate.kind === "throw" ? ENTRY_THREW : ENTRY_VALUE;
      this.#later(attempt, ms, () => this.#taskDone(attempt, script, index, run, kind, busyMs + ms));
    }
  }

  #askForNested(attempt: SimAttempt, fate: Extract<Fate, { kind: "nested" }>, done: () => void): void {
    const id = attempt.invocation.attempt;
    this.#tell(attempt.slot, () => {
      if (this.#attempts.get(id) === attempt) this.#events.request(id, 1, Buffer.of());
    });
    if (fate.next === "crashes") this.#later(attempt, 40, () => this.#die(attempt, "crashed"));
    else if (fate.next === "goes on") this.#later(attempt, fate.ms + this.#dice.pick([0, 30, 300]), done);
    else {
      attempt.resume = () => {
        attempt.resume = undefined;
        this.#later(attempt, fate.ms, done);
      };
    }
  }

  #later(attempt: SimAttempt, ms: number, callback: () => void): void {
    attempt.stop = this.#world.after(ms, () => {
      if (attempt.state === "running") callback();
    });
  }

  #taskDone(
    attempt: SimAttempt,
    script: TaskScript,
    index: number,
    run: RunBuilder,
    kind: EntryKind,
    busyMs: number,
  ): void {
    // No two executions give the same value: whoever mixes them up is found out.
    run.add(kind, [Buffer.from(`${index}@${this.#world.events}/${attempt.slot.name}`)]);
    const { first, count } = attempt.invocation;
    const last = index + 1 === first + count;
    if (last || attempt.invocation.options.flushEachTask || this.#dice.chance(this.#faults.reportEarly)) {
      if (!this.#report(attempt, run, busyMs)) {
        this.#die(attempt, "lost");
        return;
      }
      if (last) {
        this.#end(attempt, { kind: "ok" });
        this.#free(attempt.slot);
        return;
      }
      this.#runTask(attempt, script, index + 1, this.#newRun(attempt, index + 1), 0);
    } else this.#runTask(attempt, script, index + 1, run, busyMs);
  }

  /** Writes the proposal unless it goes inline, and says so; false if the word is lost. */
  #report(attempt: SimAttempt, builder: RunBuilder, busyMs: number): boolean {
    const { slot, invocation } = attempt;
    const run = Buffer.concat(builder.finish());
    const isInline = run.length <= (invocation.options.inlineOutcomeBytes ?? 0);
    const location = isInline ? undefined : this.#write(attempt, run);
    if (this.#dice.chance(this.#faults.reportLost)) return false;
    const { first } = builder.header;
    attempt.reported = first + builder.count;
    const report = { location, first, count: builder.count, run, busyMs };
    const id = invocation.attempt;
    const tell = () =>
      this.#tell(slot, () => {
        if (this.#attempts.get(id) === attempt) this.#events.progressed(id, report);
      });
    tell();
    if (this.#dice.chance(this.#faults.reportTwice)) tell();
    return true;
  }

  #write({ slot, invocation }: SimAttempt, run: Uint8Array): OutcomeLocation {
    const name = `worker-${slot.name}-${slot.worker}.log`;
    const key = invocation.journalPrefix + name;
    let log = slot.logs.get(key);
    if (!log) slot.logs.set(key, (log = this.#disk.openLog!(key) as LogWriter));
    const offsetBytes = log.sizeBytes;
    log.append(frameChunks([run]));
    return { log: name, offsetBytes, lengthBytes: log.sizeBytes - offsetBytes };
  }

  /** The worker process ends under its task; what it hadn't reported is gone, and what was queued never ran. */
  #die(attempt: SimAttempt, kind: "crashed" | "out-of-memory" | "timed-out" | "lost"): void {
    const { slot } = attempt;
    attempt.stop?.();
    if (kind !== "lost" && this.#dice.chance(0.3)) this.#tear(attempt);
    slot.worker += 1;
    slot.logs = new Map();
    const { first, count } = attempt.invocation;
    const wholeKill = kind !== "timed-out" && attempt.reported < first + count - 1 && this.#isKilledWhole();
    const started = wholeKill
      ? { startedTask: undefined, mayHaveStarted: true as const }
      : { startedTask: attempt.task };
    this.#end(attempt, { kind, ...started, evidence: `simulated ${kind}` });
    for (const behind of slot.queue.splice(0)) {
      this.#end(behind, {
        kind: "lost",
        startedTask: undefined,
        evidence: "simulated: the worker before it died",
      });
    }
    slot.slow = this.#dice.chance(this.#faults.slowWorker);
    this.#free(slot);
  }

  #isKilledWhole(): boolean {
    const { killedWhole = 0 } = this.#faults;
    return killedWhole > 0 && this.#dice.chance(killedWhole);
  }

  #tear(attempt: SimAttempt): void {
    for (const log of attempt.slot.logs.values()) log.append([Buffer.from([9, 0, 0, 0, 1, 2])]);
  }
}
