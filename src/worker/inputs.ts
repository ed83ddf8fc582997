import type { Codec } from "../codec/contract.ts";
import { type ErrorCode, KingletError, TaskError } from "../errors.ts";
import {
  ENTRY_FAILED,
  ENTRY_OBJECT,
  ENTRY_OUTCOME,
  ENTRY_OUTCOMES,
  ENTRY_THREW,
  ENTRY_UNSERIALIZABLE,
  ENTRY_VALUE,
  type Entry,
  type FailedOutcome,
  type OutcomeRef,
  Run,
} from "../job/entries.ts";
import { readFrame } from "../job/log-reader.ts";
import { chain } from "../maybe.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";

const KEPT_RUNS = 8;
const KEPT_RUN_BYTES = 2 * 1024 * 1024;

/** Turns the entries of a task's input into its item, reading what lies in the store. */
export class InputReader {
  readonly #store: ObjectStore;
  /** Tasks of a batch often take their inputs from the same run. */
  readonly #runs = new Map<string, Run>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @throws StoreError NOT_FOUND, STORE_CORRUPT, STORE_UNAVAILABLE; what decoding throws */
  read(entry: Entry, codec: Codec): MaybePromise<unknown> {
    switch (entry.kind) {
      case ENTRY_VALUE:
        return codec.decode(entry.body);
      case ENTRY_OBJECT:
        return this.#store.get(textOf(entry)).then((bytes) => codec.decode(bytes));
      case ENTRY_OUTCOME:
        return this.#readOutcome(JSON.parse(textOf(entry)) as OutcomeRef, codec);
      case ENTRY_OUTCOMES:
        return this.readOutcomes(JSON.parse(textOf(entry)) as OutcomeRef[], codec);
      default:
        throw new KingletError("INTERNAL", `an entry of kind ${entry.kind} can't be a task's input`);
    }
  }

  #readOutcome(ref: OutcomeRef, codec: Codec): MaybePromise<unknown> {
    return chain(this.#run(ref), (run) => this.#valueOf(run, ref, ref.index, codec));
  }

  /** The values of outcomes, in order. */
  async readOutcomes(refs: readonly OutcomeRef[], codec: Codec): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const ref of refs) {
      const run = await this.#run(ref);
      for (let index = ref.index; index < ref.index + (ref.count ?? 1); index++) {
        const value = this.#valueOf(run, ref, index, codec);
        values.push(value instanceof Promise ? await value : value);
      }
    }
    return values;
  }

  /** What the task of an outcome that failed threw, or what became of it. */
  async readError(ref: OutcomeRef, codec: Codec): Promise<unknown> {
    return failureOf((await this.#run(ref)).entry(ref.index), ref.index, codec);
  }

  #valueOf(run: Run, ref: OutcomeRef, index: number, codec: Codec): MaybePromise<unknown> {
    const entry = run.entry(index);
    const isOk = entry.kind === ENTRY_VALUE || entry.kind === ENTRY_OBJECT;
    if (!ref.settled) {
      if (isOk) return this.read(entry, codec);
      throw new KingletError("UPSTREAM_FAILED", `task ${index}, whose value this task takes, has failed`);
    }
    return isOk
      ? chain(this.read(entry, codec), (value) => ({ status: "fulfilled", value }))
      : chain(failureOf(entry, index, codec), (reason) => ({ status: "rejected", reason }));
  }

  #run(ref: OutcomeRef): MaybePromise<Run> {
    const id = `${ref.logKey}:${ref.offsetBytes}`;
    return this.#runs.get(id) ?? this.#fetchRun(ref, id);
  }

  async #fetchRun(ref: OutcomeRef, id: string): Promise<Run> {
    const payload = await readFrame(this.#store, ref.logKey, ref.offsetBytes, ref.lengthBytes);
    const run = new Run(payload.subarray(ref.skipBytes ?? 0));
    if (payload.length <= KEPT_RUN_BYTES) {
      this.#runs.set(id, run);
      if (this.#runs.size > KEPT_RUNS) this.#runs.delete(this.#runs.keys().next().value!);
    }
    return run;
  }
}

/** What a task that failed would have thrown at who awaits it. */
function failureOf(entry: Entry, index: number, codec: Codec): MaybePromise<unknown> {
  if (entry.kind === ENTRY_THREW || entry.kind === ENTRY_UNSERIALIZABLE) return codec.decode(entry.body);
  if (entry.kind !== ENTRY_FAILED)
    throw new KingletError("INTERNAL", `an outcome has the kind ${entry.kind}`);
  const { kind, message, attempts, evidence } = JSON.parse(textOf(entry)) as FailedOutcome;
  const code = kind.toUpperCase().replaceAll("-", "_") as ErrorCode;
  return new TaskError(code, `task ${index}: ${message}`, { details: { index, attempts, evidence } });
}

const textOf = ({ body }: Entry): string =>
  Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
