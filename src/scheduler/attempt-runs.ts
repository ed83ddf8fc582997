import type {
  AttemptEnd,
  AttemptUsage,
  ComputeBackend,
  ComputeEvents,
  ConsoleLine,
  Invocation,
  OutcomeReport,
} from "../compute/contract.ts";
import { usdOf } from "../cost/ledger.ts";
import { FewMap } from "../few-map.ts";
import { ENTRY_UNSERIALIZABLE, entryIsOk, Run } from "../job/entries.ts";
import { bookAttempt, markRaced } from "./attempt-costs.ts";
import type { Command, ThrownTask } from "./commands.ts";
import type { StoredOutcomes } from "./contract.ts";
import type { JobHost, JobRun } from "./job-run.ts";

type Start = Extract<Command, { type: "start" }>;

interface AttemptRun {
  readonly id: number;
  readonly job: JobRun;
  readonly start: Start;
  readonly startedMs: number;
  /** The folder of its proposals, within the journal: "" or that of a generation. */
  folder: string;
  /** The backend knows of it. */
  launched: boolean;
  cancelled: "revoke" | "abort" | undefined;
  /** What came while `shouldRetry` was thinking: it is taken in order. */
  held: (() => void)[] | undefined;
  /** Tasks whose outcomes it brought. */
  reported: number;
  /** Some of its tasks ran elsewhere at the same time. */
  raced: boolean;
}

/** Between the state machine's attempts and the backend's: their inputs, reports, console lines and ends. */
export class AttemptRuns implements ComputeEvents {
  readonly #compute: ComputeBackend;
  readonly #host: JobHost;
  readonly #attempts = new FewMap<number, AttemptRun>();
  /** Those that the backend doesn't know of yet: something is being read or written for them. */
  readonly #preparing = new Set<AttemptRun>();
  /** Slots that are gone, though the state machine doesn't know it yet. */
  readonly #gone = new Set<string>();

  constructor(compute: ComputeBackend, host: JobHost) {
    this.#compute = compute;
    this.#host = host;
  }

  // — commands

  start(job: JobRun, start: Start): void {
    const attempt: AttemptRun = {
      id: start.attempt,
      job,
      start,
      startedMs: this.#host.nowMs(),
      folder: "",
      launched: false,
      cancelled: undefined,
      held: undefined,
      reported: 0,
      raced: start.backup,
    };
    if (start.backup) markRaced(this.#attempts.values(), job, start.first);
    this.#attempts.set(attempt.id, attempt);
    job.counts.started += start.count;
    job.counts.running += 1;
    const inputs = job.inputs.slice(start.first, start.count);
    if (inputs instanceof Promise) {
      this.#preparing.add(attempt);
      inputs.then(
        (run) => this.#prepare(attempt, run),
        (error) => this.#inputsUnreadable(attempt, error),
      );
    } else this.#prepare(attempt, inputs);
  }

  /** `idempotent: false`: that the tasks start is recorded first, so that no other driver starts them again. */
  #prepare(attempt: AttemptRun, inputs: Uint8Array): void {
    const { job, start } = attempt;
    if (job.spec.options.idempotent !== false) {
      this.#launch(attempt, inputs);
      return;
    }
    this.#preparing.add(attempt);
    const { first, count } = start;
    const event = { kind: "starting", atMs: this.#host.nowMs(), first, count };
    const records = [{ type: "event", jobNumber: job.ref.number, event }] as const;
    job.queue.write(records, { confirm: true, urgent: true }, (result) => {
      if (result.ok) this.#launch(attempt, inputs);
      else {
        this.#neverLaunched(attempt);
        job.stop(result.why, result.error);
      }
    });
  }

  #launch(attempt: AttemptRun, inputs: Uint8Array): void {
    const { job, start, id } = attempt;
    this.#preparing.delete(attempt);
    if (!this.#attempts.has(id)) return; // its slot went meanwhile
    if (attempt.cancelled || job.ended || this.#gone.has(start.slot)) {
      this.#neverLaunched(attempt);
      return;
    }
    attempt.launched = true;
    const { spec } = job;
    const { prefix, dataPrefix } = spec.journal;
    if (dataPrefix !== prefix) attempt.folder = dataPrefix.slice(prefix.length);
    const { slot, host, first, count, backup } = start;
    const invocation: Invocation = {
      attempt: id,
      slot,
      ...(host === undefined ? undefined : { host }),
      job: spec.ref,
      journalPrefix: dataPrefix,
      functionKey: spec.functionKey,
      ...(job.code === undefined ? undefined : { code: job.code }),
      first,
      count,
      inputs,
      options: start.memoryMb
        ? { ...job.invocationOptions, memoryMb: start.memoryMb }
        : job.invocationOptions,
      ...(start.tries ? { tries: start.tries } : undefined),
    };
    if (job.isWatched) {
      job.emit({ kind: "attempt-started", atMs: attempt.startedMs, attempt: id, slot, first, count, backup });
    }
    this.#compute.start(invocation);
  }

  #neverLaunched(attempt: AttemptRun): void {
    this.#preparing.delete(attempt);
    this.ended(attempt.id, { kind: "revoked", startedTask: undefined, evidence: "it was never sent" });
  }

  #inputsUnreadable(attempt: AttemptRun, error: unknown): void {
    const { job } = attempt;
    if (!job.ended) {
      job.fail(error);
      this.#host.send({ type: "input-failed", job: job.id });
    }
    this.#neverLaunched(attempt);
  }

  cancel(id: number, how: "revoke" | "abort"): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    attempt.cancelled = how;
    if (attempt.launched) this.#compute.cancel(id, how);
  }

  // — events of the backend

  offer(slot: string, queue: number): void {
    this.#host.send({ type: "offer", slot, queue });
  }

  withdrawn(slot: string): void {
    this.#gone.add(slot);
    this.#host.send({ type: "withdrawn", slot });
    for (const attempt of [...this.#preparing]) {
      if (attempt.start.slot === slot) this.#neverLaunched(attempt);
    }
  }

  /** The state machine has heard of it. */
  forgetSlot(slot: string): void {
    this.#gone.delete(slot);
  }

  progressed(id: number, report: OutcomeReport): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    if (attempt.held) attempt.held.push(() => this.#progressed(attempt, report));
    else this.#progressed(attempt, report);
  }

  #progressed(attempt: AttemptRun, report: OutcomeReport): void {
    const run = new Run(report.run);
    if (run.allOk || attempt.job.ended) {
      this.#propose(attempt, report, run, undefined);
      return;
    }
    const failed: number[] = [];
    for (let i = run.first; i < run.end; i++) if (!entryIsOk(run.kindOf(i))) failed.push(i);
    const answers = failed.map((index) => this.#mayRetry(attempt.job, run, index));
    const settle = (retry: readonly boolean[]) => {
      const thrown: ThrownTask[] = failed.map((index, i) => ({ index, retry: retry[i]! }));
      this.#propose(attempt, report, run, thrown);
    };
    if (!answers.some((answer) => answer instanceof Promise)) {
      settle(answers as boolean[]);
      return;
    }
    this.#hold(attempt, Promise.all(answers).then(settle));
  }

  /** Everything that comes of the attempt waits for `promise`. */
  #hold(attempt: AttemptRun, promise: Promise<void>): void {
    attempt.held ??= [];
    promise.then(() => {
      const held = attempt.held ?? [];
      attempt.held = undefined;
      for (let next = held.shift(); next; next = held.shift()) {
        next();
        if (attempt.held) {
          (attempt.held as (() => void)[]).push(...held);
          return;
        }
      }
    });
  }

  #mayRetry(job: JobRun, run: Run, index: number): boolean | Promise<boolean> {
    const { spec } = job;
    if (!spec.shouldRetry || spec.options.idempotent === false) return false;
    const entry = run.entry(index);
    if (entry.kind === ENTRY_UNSERIALIZABLE) return false;
    const tries = (job.thrown.get(index) ?? 0) + 1;
    job.thrown.set(index, tries);
    try {
      const answer = spec.shouldRetry(entry, index, tries);
      // A predicate that fails itself can't ask for another try: the task's own error is the outcome.
      return answer instanceof Promise ? answer.catch(() => false) : answer;
    } catch {
      return false;
    }
  }

  #propose(
    attempt: AttemptRun,
    report: OutcomeReport,
    run: Run,
    thrown: readonly ThrownTask[] | undefined,
  ): void {
    const { folder } = attempt;
    const location =
      folder && report.location ? { ...report.location, log: folder + report.location.log } : report.location;
    attempt.reported += run.count;
    const proposal: StoredOutcomes = { run, location };
    const { first, count } = run;
    const { busyMs } = report;
    const event = { type: "proposed", attempt: attempt.id, first, count, busyMs, proposal } as const;
    this.#host.send(thrown ? { ...event, thrown } : event);
  }

  ended(id: number, end: AttemptEnd, usage?: AttemptUsage): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    if (attempt.held) attempt.held.push(() => this.#ended(attempt, end, usage));
    else this.#ended(attempt, end, usage);
  }

  #ended(attempt: AttemptRun, end: AttemptEnd, usage?: AttemptUsage): void {
    const { job, id, start, startedMs } = attempt;
    this.#attempts.delete(id);
    job.counts.running -= 1;
    const evidence = "evidence" in end ? end.evidence : undefined;
    const startedTask = "startedTask" in end ? end.startedTask : undefined;
    const atMs = this.#host.nowMs();
    const { slot, first, count } = start;
    const ms = atMs - startedMs;
    const cost = bookAttempt(attempt, end, usage, this.#compute.prices);
    const kind = "attempt-ended";
    const event = {
      kind,
      atMs,
      attempt: id,
      first,
      count,
      end: end.kind,
      evidence,
      startedTask,
      ms,
    } as const;
    if (attempt.launched) job.emit(cost ? { ...event, slot, usage: usage!, cost } : { ...event, slot });
    if (!job.ended && end.kind !== "ok" && end.kind !== "revoked") {
      job.queue.writeLater({ type: "event", jobNumber: job.ref.number, event });
    }
    const ended = { type: "attempt-ended", attempt: id, end } as const;
    this.#host.send(cost ? { ...ended, costUsd: usdOf(cost) } : ended);
  }

  console(line: ConsoleLine): void {
    const job = this.#attempts.get(line.attempt)?.job;
    if (!job) return;
    const { attempt, index, stream, text, atMs } = line;
    job.emit({ kind: "console", atMs, attempt, index, stream, text });
    // The journal of a job that has ended may be closed.
    if (job.ended) return;
    const jobNumber = job.ref.number;
    job.queue.writeLater({
      type: "console",
      jobNumber,
      attempt,
      ...(index !== undefined ? { index } : {}),
      stream,
      text,
      atMs,
    });
  }

  request(id: number, requestId: number, payload: Uint8Array): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    const { job } = attempt;
    if (!job.spec.onRequest) {
      this.cancel(id, "abort");
      return;
    }
    job.spec.onRequest({
      attempt: id,
      payload,
      reply: (answer) => {
        if (this.#attempts.has(id)) this.#compute.reply(id, requestId, answer);
      },
      waiting: () => this.#host.send({ type: "waiting", attempt: id }),
      resumed: () => this.#host.send({ type: "resumed", attempt: id }),
    });
  }
}
