/** Items of a command: enough to make it cheap, few enough that others don't wait long behind it. */
const MOST = 128;

export interface Call<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends the calls that one turn of the event loop makes as one command (MGET, MSET): half the work of a command for each,
 * here and in the server. A call alone waits for nothing.
 */
export class Batch<Item, Answer, Result> {
  readonly #steps: BatchSteps<Item, Answer, Result>;
  /** Most calls of many clients are alone in their turn. */
  #first: Call<Item, Result> | undefined;
  #others: Call<Item, Result>[] = [];

  constructor(steps: BatchSteps<Item, Answer, Result>) {
    this.#steps = steps;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const call = { item, resolve, reject };
      if (this.#first !== undefined) {
        if (this.#others.push(call) === MOST - 1) this.#flush();
        return;
      }
      this.#first = call;
      // After all that now goes on in promises.
      process.nextTick(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const [first, others] = [this.#first, this.#others];
    if (first === undefined) return;
    this.#first = undefined;
    if (others.length === 0) {
      this.#steps.sendOne(first);
      return;
    }
    this.#others = [];
    const calls = [first, ...others];
    this.#steps.send(calls.map(({ item }) => item)).then(
      (answers) => {
        for (let i = 0; i < calls.length; i += 1) this.#answer(calls[i]!, answers[i]!);
      },
      (error: unknown) => {
        for (const { item, reject } of calls) reject(this.#steps.failure(error, item));
      },
    );
  };

  #answer({ item, resolve, reject }: Call<Item, Result>, answer: Answer): void {
    try {
      resolve(this.#steps.use(answer, item));
    } catch (error) {
      reject(error);
    }
  }
}

export interface BatchSteps<Item, Answer, Result> {
  /** Sends one command for all items; gives the answers in their order. */
  send(items: readonly Item[]): Promise<readonly Answer[]>;
  /** Does a call that is alone. */
  sendOne(call: Call<Item, Result>): void;
  /** What an item's call gives, or throws. */
  use(answer: Answer, item: Item): Result;
  /** What an item's call throws when the command failed. */
  failure(error: unknown, item: Item): unknown;
}
