import type { Clock, Random } from "../clock.ts";
import type { ComputeBackend } from "../compute/contract.ts";
import { FewMap } from "../few-map.ts";
import { entryIsOk } from "../job/entries.ts";
import type { Journal } from "../job/journal.ts";
import { overspent } from "./attempt-costs.ts";
import { AttemptRuns } from "./attempt-runs.ts";
import type { Command, SchedulerEvent } from "./commands.ts";
import type { AdoptedOutcomes, JobSpec, RunningJob, Scheduler, SchedulerStats } from "./contract.ts";
import { Fifo } from "./fifo.ts";
import { type JobHost, JobRun, planOf } from "./job-run.ts";
import { JournalQueue, type QueueHost } from "./journal-queue.ts";
import { createState, type SchedulerState } from "./machine.ts";
import { defaultPolicy, gatherMs, type Policy } from "./policy.ts";
import { Recording } from "./recording.ts";
import { step } from "./state.ts";

export type {
  AdoptedOutcomes,
  DrawnInputs,
  JobCounts,
  JobEnd,
  JobInput,
  JobSpec,
  NestedRequest,
  RunningJob,
  Scheduler,
  SchedulerStats,
  SettledTasks,
  StoredOutcomes,
  TaskOptions,
} from "./contract.ts";

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly compute: ComputeBackend;
  /** Slots wanted at most; default: all that the backend can have. */
  readonly slots?: number;
  /** Figures that differ from the defaults (policy.ts). */
  readonly policy?: Partial<Policy>;
  /** Calls back in a later turn of the loop; `setImmediate` by default. */
  readonly defer?: (callback: () => void) => void;
  /** Looks at the state machine before and after each step: for tests and the simulation. */
  readonly probe?: StepProbe;
}

export interface StepProbe {
  before(state: SchedulerState, event: SchedulerEvent): void;
  after(state: SchedulerState, event: SchedulerEvent): void;
}

/**
 * The adapter around the state machine: feeds it what happens, and performs what it says.
 *
 * @example
 * const scheduler = createScheduler({ clock: systemClock, random: Math.random, compute });
 * const job = scheduler.submit({ ref, journal, functionKey, options: {}, stopOnFailure: true, input,
 *   onOutcomes: (run, first, count) => …, onEnded: (end) => … });
 */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Driver(options);
}

class Driver implements Scheduler, JobHost, QueueHost {
  readonly #options: SchedulerOptions;
  readonly #state: SchedulerState;
  readonly #attempts: AttemptRuns;
  readonly #jobs = new FewMap<number, JobRun>();
  readonly #queues = new FewMap<Journal, JournalQueue>();
  /** The queue that was used last is kept: the next call of `pool.run` has the same journal. */
  #lastQueue: JournalQueue | undefined;
  /** Those in which records wait for others to go along with. */
  readonly #gathering = new Set<JournalQueue>();
  readonly #events = new Fifo<SchedulerEvent>();
  #stepping = false;
  #nextJob = 1;
  #stopTimer: (() => void) | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const maxSlots = Math.min(options.slots ?? Number.POSITIVE_INFINITY, options.compute.maxSlots);
    const policy = { ...defaultPolicy, ...options.policy };
    const { takesGuests = false } = options.compute;
    this.#state = createState({ policy, maxSlots, takesGuests, random: options.random });
    this.#attempts = new AttemptRuns(options.compute, this);
    options.compute.open(this.#attempts);
  }

  // — the scheduler's users

  submit(spec: JobSpec): RunningJob {
    const id = this.#nextJob++;
    const job = new JobRun(id, spec, this.#queueOf(spec.journal), this, this.#options.compute.prices?.name);
    this.#jobs.set(id, job);
    const { settled, adopted } = spec;
    const plan = planOf(spec, this.#options.compute);
    this.#events.push(
      settled ? { type: "job-added", job: id, plan, decided: settled } : { type: "job-added", job: id, plan },
    );
    if (adopted) for (const proposal of adopted) this.#events.push(adoption(id, proposal));
    this.#drain();
    return job;
  }

  get stats(): SchedulerStats {
    const { slots, attempts, limit } = this.#state;
    return {
      slots: slots.size,
      idleSlots: slots.idle,
      jobs: this.#jobs.size,
      attempts: attempts.size,
      limit,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const job of [...this.#jobs.values()]) job.release();
    const writing = [...this.#queues.values()].map((queue) => queue.idle());
    this.#closed = true;
    this.#stopTimer?.();
    await Promise.all(writing);
  }

  // — the parts of the driver

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  defer(callback: () => void): void {
    (this.#options.defer ?? setImmediate)(callback);
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#options.clock.after(delayMs, callback);
  }

  hasIdleSlots(): boolean {
    return this.#state.slots.idle > 0;
  }

  mayGather(): boolean {
    const { attempts, slots, jobs } = this.#state;
    if (attempts.size === 0) return false;
    if (slots.idle === 0) return true;
    // A job that waits for items may wait for just these outcomes.
    for (const job of jobs.values()) if (job.input === "pending") return false;
    return true;
  }

  gatherMs(appendMs: number, sinceMs: number): number {
    return gatherMs(this.#state.policy, appendMs, sinceMs);
  }

  gathers(queue: JournalQueue): void {
    this.#gathering.add(queue);
  }

  unused(queue: JournalQueue): void {
    if (queue !== this.#lastQueue) this.#queues.delete(queue.journal);
  }

  job(id: number): JobRun | undefined {
    return this.#jobs.get(id);
  }

  /** Takes an event; at once, or after the one that is being taken. */
  send(event: SchedulerEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#drain();
  }

  #drain(): void {
    if (this.#stepping) return;
    this.#stepping = true;
    const { probe } = this.#options;
    try {
      for (let event = this.#events.shift(); event; event = this.#events.shift()) {
        probe?.before(this.#state, event);
        const commands = step(this.#state, event, this.nowMs());
        probe?.after(this.#state, event);
        if (event.type === "withdrawn") this.#attempts.forgetSlot(event.slot);
        if (commands.length > 0) this.#perform(commands);
      }
    } finally {
      this.#stepping = false;
    }
    if (this.#gathering.size > 0 && !this.mayGather()) this.#hurry();
  }

  #hurry(): void {
    const queues = [...this.#gathering];
    this.#gathering.clear();
    for (const queue of queues) queue.hurry();
  }

  #perform(commands: readonly Command[]): void {
    let recording: Recording | undefined;
    for (const command of commands) {
      if (
        command.type === "commit" ||
        command.type === "fail" ||
        command.type === "fail-unloadable" ||
        command.type === "end"
      ) {
        const job = this.#jobs.get(command.job)!;
        if (command.type === "end") {
          job.ended = true;
          this.#jobs.delete(job.id);
        }
        if (recording?.job !== job) {
          recording?.write();
          recording = new Recording(
            job,
            (event) => this.send(event),
            () => this.nowMs(),
          );
        }
        recording.add(command.type === "end" ? endOf(job, command) : command);
      } else {
        this.#performOne(command);
      }
    }
    recording?.write();
  }

  #performOne(command: Exclude<Command, { type: "commit" | "fail" | "fail-unloadable" | "end" }>): void {
    switch (command.type) {
      case "draw":
        this.#jobs.get(command.job)?.draw(command.maxTasks, command.maxBytes);
        break;
      case "start":
        this.#attempts.start(this.#jobs.get(command.job)!, command);
        break;
      case "cancel":
        this.#attempts.cancel(command.attempt, command.how);
        break;
      case "retry": {
        const job = this.#jobs.get(command.job);
        if (!job) break;
        const { index, because, charged, delayMs } = command;
        job.counts.retried += 1;
        job.emit({ kind: "retry", atMs: this.nowMs(), index, because, charged, delayMs });
        break;
      }
      case "overspent": {
        const job = this.#jobs.get(command.job);
        if (job) job.fail(overspent(job, command.spentUsd));
        break;
      }
      case "scale":
        this.#options.compute.scale(command.slots);
        break;
      case "limit":
        for (const job of this.#jobs.values()) {
          job.emit({ kind: "concurrency", atMs: this.nowMs(), slots: command.slots });
        }
        break;
      case "wake":
        this.#wake(command.atMs);
        break;
    }
  }

  #wake(atMs: number): void {
    if (atMs >= this.#timerMs) return;
    this.#stopTimer?.();
    this.#timerMs = atMs;
    this.#stopTimer = this.#options.clock.after(Math.max(0, atMs - this.nowMs()), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#stopTimer = undefined;
      this.send({ type: "tick" });
    });
  }

  /** One queue a journal, as long as it has jobs or a past: what is torn stays torn. */
  #queueOf(journal: Journal): JournalQueue {
    const last = this.#lastQueue;
    if (last?.journal === journal) {
      last.jobs += 1;
      return last;
    }
    let queue = this.#queues.get(journal);
    if (!queue) {
      queue = new JournalQueue(journal, this);
      this.#queues.set(journal, queue);
    }
    queue.jobs += 1;
    this.#lastQueue = queue;
    if (last?.isUnused) this.unused(last);
    return queue;
  }
}

/** A job that has done all it has, but has not all, failed. */
function endOf(job: JobRun, end: Extract<Command, { type: "end" }>): Extract<Command, { type: "end" }> {
  if (end.kind !== "done" || job.missing === undefined) return end;
  job.fail(job.missing);
  return { ...end, kind: "failed" };
}

function adoption(job: number, proposal: AdoptedOutcomes): SchedulerEvent {
  const { run, first, count } = proposal;
  let failedIndex: number | undefined;
  for (let i = first; i < first + count && failedIndex === undefined && !run.allOk; i++) {
    if (!entryIsOk(run.kindOf(i))) failedIndex = i;
  }
  return {
    type: "adopted",
    job,
    first,
    count,
    proposal,
    ...(failedIndex !== undefined ? { failedIndex } : {}),
  };
}
