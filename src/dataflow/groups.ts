import { decodeKey } from "./keys.ts";
import { isKey, type Merger } from "./merge.ts";
import type { Combine } from "./pair-list.ts";

/** The values of one key, as they come out of the merge: they can be gone over once, while the key's turn lasts. */
class GroupValues implements AsyncIterable<unknown>, AsyncIterator<unknown> {
  readonly #merger: Merger;
  readonly #key: Buffer;
  #more = true;

  constructor(merger: Merger, key: Buffer) {
    this.#merger = merger;
    this.#key = key;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return this;
  }

  async next(): Promise<IteratorResult<unknown>> {
    if (!this.#more) return { done: true, value: undefined };
    const { value } = this.#merger.top!;
    const reading = this.#merger.advance();
    if (reading) await reading;
    const { top } = this.#merger;
    this.#more = top !== undefined && isKey(top, this.#key);
    return { done: false, value };
  }

  /** Passes over what wasn't taken. */
  async drain(): Promise<void> {
    while (this.#more) await this.next();
  }
}

type Reduce<C> = (key: unknown, values: AsyncIterable<unknown>, ctx: C) => unknown;

/** The results of `reduce` for each key of a merge; a generator's are all that it yields. */
export async function* reduceGroups<C>(
  merger: Merger,
  reduce: Reduce<C>,
  ctx: C,
): AsyncGenerator<unknown, void, undefined> {
  for (let top = merger.top; top; top = merger.top) {
    const key = Buffer.from(top.keys.subarray(top.start, top.end));
    const values = new GroupValues(merger, key);
    const result = reduce(decodeKey(key), values, ctx);
    if (isGenerator(result)) yield* result;
    else yield result instanceof Promise ? await result : result;
    await values.drain();
  }
}

/** `[key, value]` for each key of a merge, its values combined. */
export async function* combineGroups(
  merger: Merger,
  combine: Combine,
): AsyncGenerator<unknown, void, undefined> {
  for (let top = merger.top; top; top = merger.top) {
    const key = Buffer.from(top.keys.subarray(top.start, top.end));
    let { value } = top;
    for (;;) {
      const reading = merger.advance();
      if (reading) await reading;
      const next = merger.top;
      if (next === undefined || !isKey(next, key)) break;
      value = combine(value, next.value);
    }
    yield [decodeKey(key), value];
  }
}

function isGenerator(result: unknown): result is Generator<unknown> | AsyncGenerator<unknown> {
  if (typeof result !== "object" || result === null) return false;
  const tag = Object.prototype.toString.call(result);
  return tag === "[object Generator]" || tag === "[object AsyncGenerator]";
}
