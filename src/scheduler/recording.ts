import { Run } from "../job/entries.ts";
import type { FrameLocation } from "../job/journal.ts";
import type { JobEndState, JournalRecord } from "../job/records.ts";
import type { Command, JobEndKind, SchedulerEvent } from "./commands.ts";
import type { StoredOutcomes } from "./contract.ts";
import { failureRun, runOf, unloadableRun } from "./failures.ts";
import type { JobRun } from "./job-run.ts";
import type { WriteResult } from "./journal-queue.ts";

type Recorded = Extract<Command, { type: "commit" | "fail" | "fail-unloadable" | "end" }>;

interface Shown {
  readonly run: Run;
  readonly first: number;
  readonly count: number;
  readonly failed: number;
  /** Where a worker wrote it; undefined: in the driver's own log, at `recordAt`. */
  readonly location: FrameLocation | undefined;
  readonly recordAt: number;
}

/** What one step decides of a job: written as one append, shown once it is confirmed. */
export class Recording {
  readonly job: JobRun;
  readonly #send: (event: SchedulerEvent) => void;
  readonly #nowMs: () => number;
  readonly #records: JournalRecord[] = [];
  readonly #shown: Shown[] = [];
  #end: { readonly kind: JobEndKind; readonly failedIndex: number | undefined } | undefined;

  constructor(job: JobRun, send: (event: SchedulerEvent) => void, nowMs: () => number) {
    this.job = job;
    this.#send = send;
    this.#nowMs = nowMs;
  }

  add(command: Recorded): void {
    const { number } = this.job.ref;
    switch (command.type) {
      case "commit": {
        const { run, location } = command.proposal as StoredOutcomes;
        const { ranges } = command;
        for (let i = 0; i < ranges.length; i += 2) {
          const first = ranges[i]!;
          const count = ranges[i + 1]! - first;
          if (location) this.#commit(run, location, first, count);
          else this.#record(partOf(run, first, count));
        }
        break;
      }
      case "fail":
        this.#record(this.#failureRun(command));
        break;
      case "fail-unloadable":
        this.#record(unloadableRun(number, command.index, command.error));
        break;
      case "end":
        this.#end = command;
        this.#recordCost();
        if (isRecorded(command.kind)) {
          const reason = this.#why(command.kind);
          const record = { type: "ended", jobNumber: number, state: command.kind } as const;
          this.#records.push(reason ? { ...record, reason } : record);
        }
        break;
    }
  }

  /** For `kinglet jobs`. What attempts cost that end after their job isn't in it. */
  #recordCost(): void {
    const { ledger, ref } = this.job;
    const cost = ledger.total;
    if (cost.invocations === 0) return;
    const event = { kind: "cost", atMs: this.#nowMs(), ...cost };
    this.#records.push({ type: "event", jobNumber: ref.number, event });
  }

  #commit(run: Run, location: FrameLocation, first: number, count: number): void {
    const failed = run.countFailed(first, count);
    const jobNumber = this.job.ref.number;
    this.#shown.push({ run, first, count, failed, location, recordAt: this.#records.length });
    this.#records.push({ type: "commit", jobNumber, first, count, failed, location });
  }

  /** The run itself goes into the driver's log. */
  #record(run: Run): void {
    const { first, count } = run;
    const failed = run.countFailed();
    this.#shown.push({ run, first, count, failed, location: undefined, recordAt: this.#records.length });
    this.#records.push({ type: "outcome", run: run.bytes });
  }

  #failureRun(command: Extract<Recorded, { type: "fail" }>): Run {
    const { first, count, kind, evidence, attempts } = command;
    const { number } = this.job.ref;
    // What is wrong upstream stands in the input itself.
    const input = kind === "upstream-failed" ? this.job.inputs.entry(first) : undefined;
    if (input) return runOf(number, first, [input]);
    return failureRun(number, first, count, kind, evidence, attempts);
  }

  #why(kind: JobEndKind): string | undefined {
    if (kind === "cancelled") return this.job.cancelReason;
    const { error } = this.job;
    if (kind !== "failed" || error === undefined) return undefined;
    return error instanceof Error ? error.message : String(error);
  }

  /** Writes it, and then tells. */
  write(): void {
    if (this.#records.length === 0) this.#finish();
    else {
      const options = { confirm: true, urgent: this.#end !== undefined };
      this.job.queue.write(this.#records, options, (result) => this.#written(result));
    }
  }

  #written(result: WriteResult): void {
    const { job } = this;
    if (job.finished) return;
    if (!result.ok) {
      job.fail(result.error);
      if (this.#end) job.finish(result.why, undefined);
      else this.#send({ type: result.why, job: job.id });
      return;
    }
    for (const shown of this.#shown) this.#show(shown, result.locations);
    this.#finish();
  }

  #show(shown: Shown, locations: readonly FrameLocation[]): void {
    const { job } = this;
    const { run, first, count, failed, location, recordAt } = shown;
    job.counts.committed += count;
    job.counts.failed += failed;
    job.settle(first, count);
    job.spec.onOutcomes(run, first, count, location ?? locations[recordAt]!, location ? 0 : 1);
    if (job.isWatched) job.emit({ kind: "committed", atMs: this.#nowMs(), first, count, failed });
    if (!this.#end) this.#send({ type: "committed", job: job.id, count });
  }

  #finish(): void {
    if (this.#end) this.job.finish(this.#end.kind, this.#end.failedIndex);
  }
}

const isRecorded = (kind: JobEndKind): kind is JobEndKind & JobEndState =>
  kind === "done" || kind === "failed" || kind === "cancelled";

function partOf(run: Run, first: number, count: number): Run {
  if (first === run.first && count === run.count) return run;
  const chunks = run.slice(first, count);
  return new Run(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
}
