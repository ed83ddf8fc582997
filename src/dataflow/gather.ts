import { randomBytes } from "node:crypto";
import { UsageError } from "../errors.ts";
import type { Context, Future, Job, MapItems, Pool, Resolved, StoredObject } from "../index.ts";
import { integer } from "../options.ts";
import { combineStored, loadValue, storeValue } from "./gather-tasks.ts";
import type { StageOptions } from "./map-reduce.ts";
import { checkStage, isPool } from "./options.ts";
import { clean } from "./stage.ts";

export interface GatherOptions extends StageOptions {
  /**
   * Where `reduce` runs: in a worker of the pool (default), in this process (`"driver"`), or in a worker of another pool, with
   * more memory and cores, say.
   */
  on?: "driver" | Pool;
}

/**
 * Map and one big reduce: `reduce` gets all results of a job, in the order of its items.
 *
 * - In a worker: one task, when the job is done; values go from the store to the worker, which holds them all.
 * - In this process: as they are committed, in memory for a few.
 * - On a pool with another store: values are brought there as they are committed, and `reduce` runs when all are.
 *
 * @throws UsageError BAD_OPTION, UNKNOWN_OPTION; what the job or `reduce` throws
 * @example const model = await gather(pool, features, async (rows) => { for await (const row of rows) fit(row); … });
 */
export async function gather<T, R>(
  pool: Pool,
  job: Job<T>,
  reduce: (values: AsyncIterable<T>) => R,
  options: GatherOptions = {},
): Promise<Awaited<R>> {
  const onRule = { check: (v: unknown) => v === "driver" || isPool(v), expected: '"driver" or a pool' };
  const { stage } = checkStage(options, { on: onRule }, "gather");
  const { on = pool } = options;
  if (on === "driver") return await reduce(job);
  const there = isSameStore(on, pool) ? job : on.map((value: unknown) => value, relayed(job));
  const whole = (values: T[]) => reduce(asStream(values));
  return await (on.run(whole as never, there as never, stage) as Future<Awaited<R>>);
}

/** Value by value, where a job of another pool can't be an input. */
async function* relayed<T>(job: Job<T>): AsyncGenerator<unknown, void, undefined> {
  yield* job;
}

async function* asStream<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

/** Then a job of the one is an input for the other. */
const isSameStore = (a: Pool, b: Pool): boolean =>
  JSON.stringify(a.store.location) === JSON.stringify(b.store.location);

export interface TreeReduceOptions extends StageOptions {
  /** How many values one task makes one of: 2…1,000, default 8. */
  fanIn?: number;
}

/**
 * All values as one, by an associative function, in a tree of tasks: the order of values is kept, none passes through this
 * process, and a task starts as soon as its values are there.
 *
 * @throws UsageError BAD_ARGUMENT for no values at all; BAD_OPTION, UNKNOWN_OPTION; what `combine` throws
 * @example const total = await treeReduce(pool, pool.map(countWords, files), (a, b) => a.merge(b));
 */
export async function treeReduce<T>(
  pool: Pool,
  values: MapItems<T>,
  combine: (a: Resolved<T>, b: Resolved<T>) => Resolved<T> | Promise<Resolved<T>>,
  options: TreeReduceOptions = {},
): Promise<Resolved<T>> {
  const { stage } = checkStage(options, { fanIn: integer(2, 1000) }, "treeReduce");
  const fanIn = options.fanIn ?? 8;
  const prefix = `dataflow/${randomBytes(8).toString("hex")}`;
  const store = (value: unknown, ctx: Context) => storeValue(prefix, value, ctx);
  const unite = (group: StoredObject[], ctx: Context) => combineStored(prefix, combine as never, group, ctx);
  try {
    let level: AsyncIterator<StoredObject> = iterate(pool.map(store as never, values, stage));
    for (;;) {
      const [first, second] = [await level.next(), await level.next()];
      if (first.done) throw noValues();
      if (second.done)
        return (await pool.run(
          (stored: StoredObject, ctx) => loadValue(stored, ctx),
          first.value,
        )) as Resolved<T>;
      const groups = groupsOf([first.value, second.value], level, fanIn);
      level = iterate(pool.map(unite, groups, stage));
    }
  } finally {
    await clean(pool, prefix);
  }
}

const iterate = <T>(job: AsyncIterable<T>): AsyncIterator<T> => job[Symbol.asyncIterator]();

async function* groupsOf<T>(head: T[], rest: AsyncIterator<T>, size: number): AsyncGenerator<T[]> {
  let group = [...head];
  for (;;) {
    if (group.length === size) {
      yield group;
      group = [];
    }
    const next = await rest.next();
    if (next.done) break;
    group.push(next.value);
  }
  if (group.length > 0) yield group;
}

function noValues(): UsageError {
  return new UsageError("BAD_ARGUMENT", "treeReduce: there are no values to make one of", {
    remedy: "Check for an empty input before, or add a neutral value to it.",
  });
}
