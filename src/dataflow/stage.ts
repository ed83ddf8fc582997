import { KingletError } from "../errors.ts";
import type { Job, Pool } from "../index.ts";
import { cleanRuns } from "./run-store.ts";
import type { Lost } from "./shuffle-spec.ts";

/** The runs that tasks have written, and how to make some of them again. */
export interface Stage<Run extends { readonly name: string }> {
  readonly runs: Run[];
  remake(lost: readonly number[]): Promise<void>;
  /** Runs that were made again. */
  remade: number;
}

/** A stage whose runs are still being written. */
export interface GrowingStage<Run extends { readonly name: string }> extends Stage<Run> {
  /** When runs `from` to `past` are there, with all others or before. */
  until(from: number, past: number): Promise<void>;
  /** When all are. */
  readonly done: Promise<void>;
}

/** The results of a job as runs, each from the moment on when it is there. */
export function growingStage<Run extends { readonly name: string }>(
  job: Job<Run>,
  makeAgain: (lost: readonly number[]) => PromiseLike<readonly Run[]>,
): GrowingStage<Run> {
  const runs: Run[] = [];
  const waiting = new Set<{ from: number; past: number; missing: number; resolve(): void }>();
  const collect = async () => {
    for await (const { index, value } of job.completed()) {
      runs[index] = value;
      for (const one of waiting) {
        if (index < one.from || index >= one.past || --one.missing > 0) continue;
        waiting.delete(one);
        one.resolve();
      }
    }
  };
  const done = collect();
  const until = (from: number, past: number) =>
    new Promise<void>((resolve, reject) => {
      let missing = past - from;
      for (let run = from; run < past; run++) if (runs[run] !== undefined) missing--;
      if (missing === 0) resolve();
      else waiting.add({ from, past, missing, resolve });
      done.catch(reject);
    });
  const remake = async (lost: readonly number[]) => {
    const again = await makeAgain(lost);
    for (const [i, run] of lost.entries()) runs[run] = again[i]!;
  };
  return { runs, until, done, remake, remade: 0 };
}

/** By the number of the run; "" for those that aren't there yet. */
export const namesOf = ({ runs }: Stage<{ readonly name: string }>): string[] =>
  Array.from(runs, (run) => (run as { readonly name: string } | undefined)?.name ?? "");

/** Waits for all, also where one fails: then it throws its error. */
export async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises))
    if (result.status === "rejected") throw result.reason;
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
export const clean = (pool: Pool, prefix: string): Promise<void> => cleanRuns(pool.store, prefix);
