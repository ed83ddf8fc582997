/**
 * The elements of batches, one by one. Lines are short: an async generator (or private fields) would cost each of them
 * more than it takes to find it.
 */
export function flattened<T>(
  batches: AsyncIterable<readonly T[]>,
): AsyncIterableIterator<T, void, undefined> {
  const source = batches[Symbol.asyncIterator]();
  let batch: readonly T[] = [];
  let taken = 0;
  /** The last `next` that had to wait: others may have been called since. */
  let waiting: Promise<unknown> | undefined;

  async function afterWaiting(before: Promise<unknown> | undefined): Promise<IteratorResult<T, void>> {
    await before?.catch(() => {});
    while (taken === batch.length) {
      const next = await source.next();
      taken = 0;
      batch = next.done ? [] : next.value;
      if (next.done) return { done: true, value: undefined };
    }
    return { done: false, value: batch[taken++]! };
  }

  return {
    next() {
      if (taken < batch.length && !waiting) return Promise.resolve({ done: false, value: batch[taken++]! });
      const result = afterWaiting(waiting);
      waiting = result;
      const over = () => {
        if (waiting === result) waiting = undefined;
      };
      result.then(over, over);
      return result;
    },
    /** Leaving a loop closes the file. */
    async return() {
      batch = [];
      taken = 0;
      await source.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
