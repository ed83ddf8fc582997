import type { NamedStore } from "../index.ts";

/** Where runs lie between two stages. */
export type RunStore = Pick<NamedStore, "get" | "put">;

/**
 * The pool's store, or the stores of `via`: each run lies in one of them, chosen by its name.
 * @throws UsageError BAD_OPTION for what is no store's location
 */
export function runStore(store: NamedStore, via: readonly string[] = []): RunStore {
  if (via.length === 0) return store;
  const shards = via.map((location) => store.at(location));
  const shardOf = (name: string) => shards[shardNumber(name, shards.length)]!;
  return {
    get: (name, range) => shardOf(name).get(name, range),
    put: (name, body) => shardOf(name).put(name, body),
  };
}

/** Runs are named after the number of their task, so that they take turns. */
function shardNumber(name: string, shards: number): number {
  const task = Number.parseInt(name.slice(name.lastIndexOf("/") + 1), 10);
  return (Number.isNaN(task) ? 0 : task) % shards;
}

/** Asks each store for something, so that one that can't be reached is an error before anything runs. */
export async function checkStores(store: NamedStore, via: readonly string[]): Promise<void> {
  await Promise.all(via.map((location) => store.at(location).find("dataflow/none")));
}

/** Removes all objects whose names begin with the prefix and a `/`, in the pool's store and in those of `via`. */
export async function cleanRuns(
  store: NamedStore,
  prefix: string,
  via: readonly string[] = [],
): Promise<void> {
  for (const one of [store, ...via.map((location) => store.at(location))]) {
    const keys: string[] = [];
    for await (const { key } of one.list(`${prefix}/`)) keys.push(key);
    await one.delete(...keys);
  }
}
