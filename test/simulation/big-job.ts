import { seededRandom } from "../../src/clock.ts";
import type { ComputeBackend, ComputeEvents, Invocation } from "../../src/compute/contract.ts";
import { ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import { createJournal } from "../../src/job/journal.ts";
import { createScheduler } from "../../src/scheduler/driver.ts";
import type { LogWriter, ObjectStore } from "../../src/storage/contract.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import { Dice, World } from "./world.ts";

const VALUE = Buffer.from("x");

/** Workers whose tasks take a second, some much longer; one worker in a thousand batches dies. */
class ManyWorkers implements ComputeBackend {
  readonly description = "many simulated workers";
  readonly maxSlots: number;
  readonly #world: World;
  readonly #dice = new Dice(seededRandom(1));
  readonly #busy = new Map<string, Invocation[]>();
  readonly #stopped = new Set<number>();
  #events!: ComputeEvents;
  #slots = 0;

  constructor(world: World, maxSlots: number) {
    this.#world = world;
    this.maxSlots = maxSlots;
  }

  open(events: ComputeEvents): void {
    this.#events = events;
  }

  scale(slots: number): void {
    // A ramp, as clouds have: a thousand at once, then more each second.
    for (; this.#slots < slots; this.#slots++) {
      const name = `slot-${this.#slots}`;
      this.#busy.set(name, []);
      this.#world.after(Math.floor(this.#slots / 1000) * 1000, () => this.#events.offer(name, 1));
    }
  }

  start(invocation: Invocation): void {
    const queue = this.#busy.get(invocation.slot)!;
    queue.push(invocation);
    if (queue.length === 1) this.#run(invocation);
  }

  #run(invocation: Invocation): void {
    let busyMs = 0;
    for (let i = 0; i < invocation.count; i++)
      busyMs += this.#dice.chance(0.0005) ? 60_000 : 500 + 1000 * this.#dice.random();
    const dies = this.#dice.chance(0.001);
    this.#world.after(busyMs, () => {
      const { attempt, first, count, job, slot } = invocation;
      const queue = this.#busy.get(slot)!;
      if (queue[0] !== invocation) return; // it was cancelled
      if (dies) this.#events.ended(attempt, { kind: "crashed", startedTask: first, evidence: "simulated" });
      else {
        const run = new RunBuilder({ jobNumber: job.number, attempt, first });
        for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [VALUE]);
        const bytes = run.finish()[0]!;
        const location = { log: "worker.log", offsetBytes: 0, lengthBytes: bytes.length };
        this.#events.progressed(attempt, { location, first, count, run: bytes, busyMs });
        this.#events.ended(attempt, { kind: "ok" });
      }
      this.#next(queue);
    });
  }

  #next(queue: Invocation[]): void {
    queue.shift();
    if (queue[0]) this.#run(queue[0]);
  }

  cancel(attempt: number, how: "revoke" | "abort"): void {
    if (this.#stopped.has(attempt)) return;
    for (const queue of this.#busy.values()) {
      const at = queue.findIndex((one) => one.attempt === attempt);
      if (at < 0 || (at === 0 && how === "revoke")) continue;
      this.#stopped.add(attempt);
      this.#world.after(0, () => {
        const kind = how === "revoke" ? "revoked" : "cancelled";
        if (at > 0)
          queue.splice(
            queue.findIndex((one) => one.attempt === attempt),
            1,
          );
        else this.#next(queue);
        this.#events.ended(attempt, { kind, startedTask: undefined, evidence: "simulated" });
      });
      return;
    }
  }

  reply(): void {}

  async close(): Promise<void> {}
}

/** Logs that count their bytes and forget them. */
function forgetfulStore(): { store: ObjectStore; bytes: () => number } {
  let total = 0;
  const store = openMemoryStore();
  store.openLog = (key): LogWriter => {
    let sizeBytes = 0;
    return {
      key,
      get sizeBytes() {
        return sizeBytes;
      },
      append: (chunks) => {
        const offsetBytes = sizeBytes;
        for (const chunk of chunks) sizeBytes += chunk.length;
        total += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        return { key, offsetBytes };
      },
      sync: () => undefined,
      close: () => undefined,
    };
  };
  return { store, bytes: () => total };
}

export interface BigJobReport {
  readonly state: string | undefined;
  /** Of each task, how many outcomes were shown. */
  readonly shown: Uint8Array;
  readonly virtualMs: number;
  readonly realMs: number;
  /** Processor time; the machine may be busy with other things. */
  readonly cpuMs: number;
  readonly events: number;
  readonly retried: number;
  readonly journalBytes: number;
}

/** One job through the real scheduler and driver, in virtual time. */
export async function simulateBigJob(tasks: number, slots: number): Promise<BigJobReport> {
  const world = new World();
  const { store, bytes } = forgetfulStore();
  const header = { format: 1, kinglet: "0", node: "", driverId: "d", epoch: 0, createdMs: 0 } as const;
  const journal = await createJournal({ store, id: "journal", header });
  const scheduler = createScheduler({
    clock: { nowMs: () => world.nowMs, after: (delayMs, callback) => world.after(delayMs, callback) },
    random: seededRandom(2),
    compute: new ManyWorkers(world, slots),
    defer: (callback) => void world.after(0, callback),
  });
  const shown = new Uint8Array(tasks);
  let state: string | undefined;
  let next = 0;
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const beganMs = world.nowMs;
  const job = scheduler.submit({
    ref: { journalId: "journal", number: 0 },
    journal,
    functionKey: "f",
    options: {},
    stopOnFailure: true,
    input: {
      knownLength: tasks,
      draw: (maxTasks) => {
        const count = Math.min(maxTasks, tasks - next);
        const run = new RunBuilder({ jobNumber: 0, attempt: 0, first: next });
        for (let i = 0; i < count; i++) run.add(ENTRY_VALUE, [VALUE]);
        next += count;
        return { run: run.finish()[0]!, count, done: next === tasks };
      },
    },
    onOutcomes: (run, first, count) => {
      if (!run.allOk) throw new Error(`task ${first} failed`);
      for (let i = first; i < first + count; i++) shown[i]! += 1;
    },
    onEnded: (end) => {
      state = end.state;
    },
  });
  world.runSync(() => state !== undefined);
  return {
    state,
    shown,
    virtualMs: world.nowMs - beganMs,
    realMs: performance.now() - startedMs,
    cpuMs: process.cpuUsage(cpu).user / 1000,
    events: world.events,
    retried: job.counts.retried,
    journalBytes: bytes(),
  };
}
