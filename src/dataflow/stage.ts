import { KingletError } from "../errors.ts";
import type { Job, Pool } from "../index.ts";
import type { Lost } from "./shuffle-spec.ts";

/** The runs that tasks have written, and how to make some of them again. */
export interface Stage<Run extends { readonly name: string }> {
  readonly runs: Run[];
  remake(lost: readonly number[]): Promise<void>;
  /** Runs that were made again. */
  remade: number;
}

/** How often runs that get lost are made again before it is an error. */
const MAX_ROUNDS = 5;

/**
 * Results of tasks that read the runs of `from`, in order. Runs that they find lost are made again, and then only those tasks
 * run again that have no result.
 */
export async function overRuns<R extends object, Run extends { readonly name: string }>(
  from: Stage<Run>,
  tasks: readonly number[],
  start: (tasks: readonly number[]) => Job<R | Lost>,
): Promise<R[]> {
  const results = new Map<number, R>();
  let waiting = tasks;
  for (let round = 0; ; round++) {
    const lost = new Set<number>();
    for (const [i, result] of (await start(waiting)).entries()) {
      if ("lost" in result) for (const run of result.lost) lost.add(run);
      else results.set(waiting[i]!, result);
    }
    if (lost.size === 0) return tasks.map((task) => results.get(task)!);
    if (round === MAX_ROUNDS) throw lostForGood([...lost].map((run) => from.runs[run]!.name));
    await from.remake([...lost]);
    from.remade += lost.size;
    waiting = waiting.filter((task) => !results.has(task));
  }
}

export function lostForGood(names: readonly string[]): KingletError {
  return new KingletError(
    "STORE_CORRUPT",
    `intermediate objects get lost again and again: ${names.join(", ")}`,
    {
      remedy: "Does something delete objects under dataflow/ in this store, or is its medium damaged?",
      details: { keys: names },
    },
  );
}

/** Removes all objects whose names begin with the prefix and a `/`. */
export async function clean(pool: Pool, prefix: string): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of pool.store.list(`${prefix}/`)) keys.push(key);
  await pool.store.delete(...keys);
}
