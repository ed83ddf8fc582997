import { captureFunction, driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";
import type {
  AttemptEnd,
  ComputeBackend,
  ComputeEvents,
  ConsoleLine,
  InvocationOptions,
  OutcomeReport,
} from "../../src/compute/contract.ts";
import { ENTRY_OBJECT, ENTRY_VALUE, Run, RunBuilder } from "../../src/job/entries.ts";
import { functionKey, journalPrefix } from "../../src/job/keys.ts";
import { readFrame } from "../../src/job/log-reader.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { registerHandles } from "../../src/values/register.ts";
import type { TaskContext } from "../../src/worker/context.ts";

const JOURNAL = "conformance-1";

export type TaskFunction = (item: never, context: TaskContext) => unknown;

/** A started attempt, as its driver sees it. */
export interface Attempt {
  readonly attempt: number;
  readonly ended: Promise<AttemptEnd>;
  readonly reports: readonly OutcomeReport[];
  /** Kind and decoded value of every outcome reported so far, by task index. */
  outcomes(): Promise<Map<number, { kind: number; value: unknown }>>;
  /** The values of the outcomes, once the attempt has ended; fails if it didn't end `ok`. */
  values(): Promise<unknown[]>;
}

export interface StartOptions extends InvocationOptions {
  readonly slot?: string;
  readonly first?: number;
  readonly functionKey?: string;
}

/** The driver's side of a backend under test: starts attempts, collects events, and notes every breach of contract. */
export class ComputeProbe implements ComputeEvents {
  readonly backend: ComputeBackend;
  readonly store: ObjectStore;
  readonly codec = createCodec(driverGraphLane());
  readonly lines: ConsoleLine[] = [];
  readonly offers = new Map<string, number>();
  readonly withdrawals: string[] = [];
  readonly requests: { attempt: number; requestId: number; payload: Uint8Array }[] = [];
  /** What the backend did that its contract forbids. */
  readonly breaches: string[] = [];
  readonly #attempts = new Map<
    number,
    { reports: OutcomeReport[]; inlineBytes: number; end?: AttemptEnd; resolve(end: AttemptEnd): void }
  >();
  readonly #waiting = new Set<() => void>();
  #closed = false;
  #count = 0;

  constructor(backend: ComputeBackend, store: ObjectStore) {
    this.backend = backend;
    this.store = store;
    registerHandles();
    backend.open(this);
  }

  /** The name of one of its slots. */
  slot(number: number): string {
    return [...this.offers.keys()].sort()[number] ?? `no slot ${number}`;
  }

  async start(fn: TaskFunction, items: readonly unknown[], options: StartOptions = {}): Promise<Attempt> {
    return this.startKey(options.functionKey ?? (await this.prepare(fn)), items, options);
  }

  /** Stores the function; its key. */
  async prepare(fn: TaskFunction): Promise<string> {
    const captured = captureFunction(fn as (...args: unknown[]) => unknown);
    const key = functionKey(captured.hash);
    await this.store.put(key, captured.bytes, { ifAbsent: true });
    return key;
  }

  startKey(key: string, items: readonly unknown[], options: StartOptions = {}): Attempt {
    const { slot = this.slot(0), first = 0, functionKey: _key, ...rest } = options;
    this.#count += 1;
    const attempt = this.#count;
    const inputs = new RunBuilder({ jobNumber: 0, attempt, first });
    for (const item of items) inputs.add(ENTRY_VALUE, this.codec.encode(item, "item"));
    const { promise, resolve } = Promise.withResolvers<AttemptEnd>();
    const reports: OutcomeReport[] = [];
    this.#attempts.set(attempt, { reports, inlineBytes: rest.inlineOutcomeBytes ?? 0, resolve });
    this.backend.start({
      attempt,
      slot,
      job: { journalId: JOURNAL, number: 0 },
      journalPrefix: journalPrefix(JOURNAL),
      functionKey: key,
      first,
      count: items.length,
      inputs: Buffer.concat(inputs.finish()),
      options: rest,
    });
    const outcomes = () => this.#outcomes(reports);
    return {
      attempt,
      ended: promise,
      reports,
      outcomes,
      values: async () => {
        const end = await promise;
        if (end.kind !== "ok") throw new Error(`the attempt ended ${JSON.stringify(end)}`);
        return [...(await outcomes()).values()].map(({ value }) => value);
      },
    };
  }

  async #outcomes(reports: readonly OutcomeReport[]): Promise<Map<number, { kind: number; value: unknown }>> {
    const found = new Map<number, { kind: number; value: unknown }>();
    for (const report of reports) {
      const run = new Run(report.run);
      for (let index = run.first; index < run.end; index++) {
        const { kind, body } = run.entry(index);
        const bytes = kind === ENTRY_OBJECT ? await this.store.get(Buffer.from(body).toString()) : body;
        found.set(index, { kind, value: await this.codec.decode(bytes) });
      }
    }
    return found;
  }

  /** Resolves as soon as `condition` holds; looked at after each event. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  async untilLine(text: string): Promise<ConsoleLine> {
    const find = () => this.lines.find((line) => line.text === text);
    await this.until(() => find() !== undefined);
    return find()!;
  }

  /** Scales to `slots` and waits for all their offers. */
  async scaleTo(slots: number): Promise<void> {
    this.backend.scale(slots);
    await this.until(() => this.offers.size === slots);
  }

  async close(): Promise<void> {
    await this.backend.close();
    this.#closed = true;
    for (const [attempt, { end }] of this.#attempts) {
      if (!end) this.breaches.push(`attempt ${attempt} never ended`);
    }
    await this.#checkReports();
  }

  /** Every report must lie in the store as it was reported. */
  async #checkReports(): Promise<void> {
    for (const [attempt, { reports, inlineBytes }] of this.#attempts) {
      for (const { location, first, count, run } of reports) {
        const parsed = new Run(run);
        const fits = parsed.first === first && parsed.count === count && parsed.attempt === attempt;
        if (!location) {
          if (!fits || run.length > inlineBytes)
            this.breaches.push(`an inline report of tasks ${first}+${count}, ${run.length} bytes`);
          continue;
        }
        const key = journalPrefix(JOURNAL) + location.log;
        const stored = await readFrame(this.store, key, location.offsetBytes, location.lengthBytes);
        if (!fits || Buffer.compare(stored, run) !== 0) {
          this.breaches.push(
            `the report of tasks ${first}+${count} is not what lies at ${key}:${location.offsetBytes}`,
          );
        }
      }
    }
  }

  // --- what the backend tells ---

  offer(slot: string, queue: number): void {
    this.#happened(`offer(${slot})`);
    this.offers.set(slot, queue);
    this.#look();
  }

  withdrawn(slot: string): void {
    this.#happened(`withdrawn(${slot})`);
    if (!this.offers.delete(slot)) this.breaches.push(`${slot} was withdrawn, but was not there`);
    this.withdrawals.push(slot);
    this.#look();
  }

  progressed(attempt: number, report: OutcomeReport): void {
    this.#happened(`progressed(${attempt})`);
    const known = this.#attempts.get(attempt);
    if (!known || known.end)
      this.breaches.push(`progress of attempt ${attempt}, which has ended or never started`);
    else known.reports.push(report);
    this.#look();
  }

  ended(attempt: number, end: AttemptEnd): void {
    this.#happened(`ended(${attempt})`);
    const known = this.#attempts.get(attempt);
    if (!known || known.end) {
      this.breaches.push(`attempt ${attempt} ended twice, or never started: ${JSON.stringify(end)}`);
    } else {
      known.end = end;
      known.resolve(end);
    }
    this.#look();
  }

  console(line: ConsoleLine): void {
    this.#happened("console");
    this.lines.push(line);
    this.#look();
  }

  request(attempt: number, requestId: number, payload: Uint8Array): void {
    this.#happened("request");
    this.requests.push({ attempt, requestId, payload });
    this.#look();
  }

  #happened(what: string): void {
    if (this.#closed) this.breaches.push(`${what} after close() has resolved`);
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
