import type { ObjectStore } from "../storage/contract.ts";

/** Deletes every object whose key begins with `prefix`. */
export async function deleteAll(store: ObjectStore, prefix: string): Promise<void> {
  const keys: string[] = [];
  for await (const object of store.list(prefix)) keys.push(object.key);
  await store.delete(keys);
}
