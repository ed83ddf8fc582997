import type { ObjectStore } from "../../src/storage/contract.ts";
import { objectsOnKeys } from "../../src/storage/objects-on-keys/store.ts";
import { parseRedisLocation, type RedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import type { OpenedKeyValueStore } from "../conformance/key-value-store.ts";
import type { OpenedStore, SuiteOptions } from "../conformance/object-store.ts";

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

/** For processes of the conformance suite. */
export async function openStore(location: string): Promise<ObjectStore> {
  return objectsOnKeys(await openRedisKeyValueStore(JSON.parse(location)));
}

/** Objects on keys under a new prefix, which is emptied afterwards. */
export async function newRedisObjectStore(url: string): Promise<OpenedStore> {
  const location = newLocation(url);
  return {
    store: objectsOnKeys(await openRedisKeyValueStore(location)),
    reopen: async () => objectsOnKeys(await openRedisKeyValueStore(location)),
    module: { url: import.meta.url, argument: JSON.stringify(location) },
    cleanUp: () => removeAll(location),
  };
}

export const REDIS_SUITE: SuiteOptions = {
  capabilities: { append: "native", putIfAbsent: true, durable: true },
  sharing: { handles: true, processes: true },
};
