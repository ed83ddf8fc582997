import type { AttemptEnd } from "../../src/compute/contract.ts";
import { ENTRY_FAILED, entryIsOk, type FailedOutcome, type Run } from "../../src/job/entries.ts";

/** What a history does wrong is thrown, or noted, as this. */
export class Violation extends Error {}

/** What all observers of a history have seen of one job, of any driver: it must be one truth. */
export class Witness {
  readonly job: string;
  readonly idempotent: boolean;
  readonly retries: number;
  readonly #fail: (problem: string) => void;
  /** Task → the outcome that someone has seen. */
  readonly seen = new Map<number, string>();
  readonly failures = new Set<number>();
  /** Task → how often a worker started it. */
  readonly starts = new Map<number, number>();
  endSeen: string | undefined;
  /** Someone asked for it. */
  cancelled = false;
  decidedAtEnd: number | undefined;

  constructor(
    job: string,
    options: { idempotent: boolean; retries: number },
    fail: (problem: string) => void,
  ) {
    this.job = job;
    this.idempotent = options.idempotent;
    this.retries = options.retries;
    this.#fail = fail;
  }

  fail(problem: string): void {
    this.#fail(`${this.job}: ${problem}`);
  }

  see(run: Run, index: number, by: string): void {
    const { kind, body } = run.entry(index);
    const value = `${kind}:${Buffer.from(body).toString()}`;
    const before = this.seen.get(index);
    if (before === undefined) this.seen.set(index, value);
    else if (before !== value) this.fail(`task ${index} was ${before}, and is ${value} for ${by}`);
    if (!entryIsOk(kind)) this.failures.add(index);
  }

  seeEnd(state: string, decided: number, by: string): void {
    if (this.endSeen !== undefined && this.endSeen !== state) {
      this.fail(`it ended ${this.endSeen}, and ${state} for ${by}`);
    }
    if (this.decidedAtEnd !== undefined && this.decidedAtEnd !== decided) {
      this.fail(`it ended with ${this.decidedAtEnd} outcomes, and has ${decided} for ${by}`);
    }
    this.endSeen = state;
    this.decidedAtEnd = decided;
    if (state === "cancelled" && !this.cancelled) this.fail("nobody cancelled it");
  }

  started(index: number): number {
    const starts = (this.starts.get(index) ?? 0) + 1;
    this.starts.set(index, starts);
    if (!this.idempotent && starts > 1) this.fail(`task ${index} isn't idempotent, and was started twice`);
    return starts;
  }
}

/** What one driver may do with one job, and what its user sees. */
export class DriverWitness {
  readonly witness: Witness;
  readonly name: string;
  readonly #seen = new Set<number>();
  /** Task → failures of attempts that had started it, as reported to this driver. */
  readonly #charges = new Map<number, number>();
  #end: string | undefined;
  #cancelled = false;

  constructor(witness: Witness, name: string, settled: readonly number[]) {
    this.witness = witness;
    this.name = name;
    for (const index of settled) this.#seen.add(index);
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  cancel(): void {
    this.#cancelled = true;
    this.witness.cancelled = true;
  }

  attemptStarts(first: number, count: number): void {
    const { witness, name } = this;
    if (this.#cancelled) witness.fail(`${name} starts ${first}+${count} after cancel`);
    if (this.#end) witness.fail(`${name} starts ${first}+${count} after its end, ${this.#end}`);
    for (let i = first; i < first + count; i++) {
      if (this.#seen.has(i)) witness.fail(`${name} starts task ${i}, which has its outcome`);
    }
  }

  attemptEnds(end: AttemptEnd): void {
    if (end.kind === "ok" || end.kind === "unloadable" || end.startedTask === undefined) return;
    if (end.kind === "revoked" || end.kind === "throttled" || end.kind === "cancelled") return;
    this.#charges.set(end.startedTask, (this.#charges.get(end.startedTask) ?? 0) + 1);
  }

  outcomes(run: Run, first: number, count: number): void {
    if (this.#end) this.witness.fail(`${this.name} shows ${first}+${count} after its end`);
    for (let index = first; index < first + count; index++) {
      if (this.#seen.has(index)) this.witness.fail(`${this.name} shows task ${index} twice`);
      this.#seen.add(index);
      this.witness.see(run, index, this.name);
      this.#checkCharges(run, index);
    }
  }

  /** A task fails for its worker's sake only after it had its tries, and only by its own attempts. */
  #checkCharges(run: Run, index: number): void {
    const { kind, body } = run.entry(index);
    if (kind !== ENTRY_FAILED) return;
    const failure = JSON.parse(Buffer.from(body).toString()) as FailedOutcome;
    const charges = this.#charges.get(index) ?? 0;
    const { retries, idempotent } = this.witness;
    if (failure.kind === "crashed" || failure.kind === "lost" || failure.kind === "out-of-memory") {
      if (failure.attempts === 0 || failure.evidence === "its driver ended while it ran") return; // never started here
      const tries = failure.kind === "out-of-memory" ? Math.min(1, retries) : retries;
      const needed = idempotent ? tries + 1 : 1;
      if (charges < needed) {
        this.witness.fail(
          `task ${index} failed as ${failure.kind} after ${charges} of ${needed} failures of its own`,
        );
      }
    }
  }

  end(state: string, failedIndex: number | undefined, total: number | undefined): void {
    if (this.#end) this.witness.fail(`${this.name} ends ${this.#end} and ${state}`);
    this.#end = state;
    if (state === "done" && this.#seen.size !== total) {
      this.witness.fail(`${this.name} ends done with ${this.#seen.size} outcomes of ${total} tasks`);
    }
    if (state === "failed" && failedIndex !== undefined && !this.witness.failures.has(failedIndex)) {
      this.witness.fail(`${this.name} ends failed by task ${failedIndex}, which did not fail`);
    }
    if (state === "done" || state === "failed" || state === "cancelled") {
      this.witness.seeEnd(state, this.#seen.size, this.name);
    }
  }
}
