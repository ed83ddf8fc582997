import { parseRedisLocation, type RedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import type { OpenedKeyValueStore } from "../conformance/key-value-store.ts";

let stores = 0;

export function newLocation(url: string): RedisLocation {
  return parseRedisLocation(`${url}?prefix=test-${process.pid}-${stores++}`);
}

/** A key-value store under a new prefix, which is emptied afterwards. */
export async function newRedisKeyValueStore(url: string): Promise<OpenedKeyValueStore> {
  const location = newLocation(url);
  return {
    store: await openRedisKeyValueStore(location),
    reopen: () => openRedisKeyValueStore(location),
    cleanUp: () => removeAll(location),
  };
}

export async function removeAll(location: RedisLocation): Promise<void> {
  const store = await openRedisKeyValueStore(location);
  const keys: string[] = [];
  for await (const key of store.scan("")) keys.push(key);
  await store.delete(keys);
  await store.close();
}
