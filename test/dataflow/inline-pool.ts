import { driverGraphLane } from "../../src/capture/index.ts";
import { createCodec } from "../../src/codec/codec.ts";
import { StoreError } from "../../src/errors.ts";
import type { Context, Pool } from "../../src/index.ts";
import { sliceSet } from "../../src/slices/slice-set.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { SimulatedCrash } from "../../src/storage/layers/faults.ts";
import { NamedStore } from "../../src/values/stored-object.ts";

export interface InlinePoolOptions {
  readonly store: ObjectStore;
  /** The store as one attempt of a task sees it, counted from 0 over all tasks: to meter it, or to crash there. */
  readonly attemptStore?: (attempt: number) => ObjectStore;
}

export interface InlinePool extends Pool {
  /** Attempts so far, and those of them whose worker died or whose store was away. */
  readonly attempts: number;
  readonly failures: number;
}

/**
 * A pool in this process, for tests that count each request or let a worker die at each of them: two tasks at a time, functions
 * called as they are, an attempt that crashes or finds the store away is followed by another one, as in a real pool.
 */
export function inlinePool({ store, attemptStore = () => store }: InlinePoolOptions): InlinePool {
  const codec = createCodec(driverGraphLane());
  const location = { kind: "disk", root: "/nowhere" } as const;
  const counts = { attempts: 0, failures: 0 };
  const named = new NamedStore(location, store);

  async function runTask(fn: (item: unknown, ctx: Context) => unknown, item: unknown, index: number) {
    for (let attempt = 1; ; attempt++) {
      const ctx = {
        ...{ index, attempt, store: new NamedStore(location, attemptStore(counts.attempts++)) },
        encode: (value: unknown) => Buffer.concat(codec.encode(value, "value")),
        decode: (bytes: Uint8Array) => codec.decode(bytes),
      };
      try {
        return await fn(item, ctx as never);
      } catch (error) {
        const isAway = error instanceof StoreError && error.code === "STORE_UNAVAILABLE";
        if (!(error instanceof SimulatedCrash || isAway) || attempt === 10) throw error;
        counts.failures++;
      }
    }
  }

  async function runEach(fn: never, items: AsyncIterable<unknown>, results: unknown[]): Promise<unknown[]> {
    const waiting: { item: unknown; index: number }[] = [];
    for await (const item of items) waiting.push({ item, index: waiting.length });
    const next = waiting.values();
    const work = async () => {
      for (const { item, index } of next) results[index] = await runTask(fn, item, index);
    };
    await Promise.all([work(), work()]);
    return results;
  }

  function runAll(fn: never, items: AsyncIterable<unknown>) {
    const all = runEach(fn, items, []);
    async function* completed() {
      for (const [index, value] of (await all).entries()) yield { index, value };
    }
    return Object.assign(all, { completed });
  }

  const pool = {
    ...{ map: runAll, store: named, broadcast: (value: unknown) => ({ value }) },
    run: (fn: never, input: unknown) => runTask(fn, input, 0),
    slices: (patterns: string, options?: object) =>
      sliceSet(patterns, options, { folder: process.cwd(), location } as never),
    get attempts() {
      return counts.attempts;
    },
    get failures() {
      return counts.failures;
    },
  };
  return pool as never;
}
