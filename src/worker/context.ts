import type { Codec } from "../codec/contract.ts";
import { KingletError, UsageError } from "../errors.ts";

/** What all tasks of an invocation have in common; made once per batch. */
export interface TaskSurroundings {
  readonly jobId: string;
  readonly attempt: number;
  /** Which try of a task this is, from 1. */
  readonly tryOf: (index: number) => number;
  /** How many maps this one is nested in. */
  readonly depth: number;
  /** The signal of the running task: aborted when the task is cancelled or has used up its time. */
  readonly signal: () => AbortSignal;
  /** Asks the driver something and resolves with its answer; with nothing, if the attempt is over before. */
  readonly request: (payload: Uint8Array) => Promise<Uint8Array>;
  readonly services: TaskServices;
}

/** What stands behind `ctx.pool` and `ctx.store`; the worker's entry puts it in. Called at the first use in a task. */
export interface TaskServices {
  /** `codec`: of the running task, whose classes are its own. */
  pool(surroundings: TaskSurroundings, codec: Codec): unknown;
  store(surroundings: TaskSurroundings): unknown;
}

/** For entries that can't offer them: says so instead of giving `undefined`. */
export const noServices: TaskServices = {
  pool: () => {
    throw notHere("ctx.pool");
  },
  store: () => {
    throw notHere("ctx.store");
  },
};

const notHere = (what: string): KingletError =>
  new KingletError("INTERNAL", `${what} was used in a worker that can't offer it`, {
    remedy: "Return the value and go on with it in the driver.",
  });

/**
 * The second argument of a task's function.
 *
 * @example
 * await pool.map(async (url, ctx) => {
 *   ctx.log("fetching", url);
 *   return (await fetch(url, { signal: ctx.signal })).json();
 * }, urls);
 */
export class TaskContext<Pool = unknown, Store = unknown> {
  /** Index of this task's item in the job's input. */
  readonly index: number;
  readonly #surroundings: TaskSurroundings;
  readonly #codec: Codec;
  #pool: Pool | undefined;
  #store: Store | undefined;

  constructor(surroundings: TaskSurroundings, index: number, codec: Codec) {
    this.index = index;
    this.#codec = codec;
    this.#surroundings = surroundings;
  }

  /**
   * Which try of this task this is: 1 at first, 2 after one that failed or whose worker was lost. A backup of a slow
   * try has that one's number; a driver that resumes the job begins with 1 again.
   */
  get attempt(): number {
    return this.#surroundings.tryOf(this.index);
  }

  /** Id of the job. */
  get jobId(): string {
    return this.#surroundings.jobId;
  }

  /** Aborted when the task is cancelled or runs into its `timeoutMs`; the worker is stopped by force soon after. */
  get signal(): AbortSignal {
    return this.#surroundings.signal();
  }

  /** Prints a line, as `console.log` does: shown live with the task's index, and stored. */
  get log(): (...values: unknown[]) => void {
    return console.log;
  }

  /**
   * A value as bytes, as items and results are encoded; to keep values in objects of your own.
   * @throws UnserializableError
   */
  encode(value: unknown): Uint8Array {
    const chunks = this.#codec.encode(value, "value");
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  /**
   * The value that `encode` got; a promise of it where it holds functions or classes of imported modules.
   * Large binary values are views of `bytes`. @throws StoreError STORE_CORRUPT, STORE_VERSION
   */
  decode(bytes: Uint8Array): unknown {
    return this.#codec.decode(bytes);
  }

  /** For maps inside this task. */
  get pool(): Pool {
    return (this.#pool ??= this.#surroundings.services.pool(this.#surroundings, this.#codec) as Pool);
  }

  /** Named outputs. */
  get store(): Store {
    return (this.#store ??= this.#surroundings.services.store(this.#surroundings) as Store);
  }

  /** `(x, i) => x + i` is written for Array.prototype.map; here it would silently compute nonsense. */
  [Symbol.toPrimitive](hint: string): never {
    throw new UsageError(
      "BAD_ARGUMENT",
      `the second argument of a task's function was used as a ${hint === "number" ? "number" : "string or number"}, but it is the task's context`,
      { remedy: "The position of the item is ctx.index: write (item, ctx) => … ctx.index …" },
    );
  }
}
