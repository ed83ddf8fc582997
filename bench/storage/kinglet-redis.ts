import { parseRedisLocation } from "../../src/storage/redis/location.ts";
import { openRedisKeyValueStore } from "../../src/storage/redis/store.ts";
import type { Place, StorageClient } from "./client.ts";

/** Kinglet's key-value store on one connection. */
export async function openKingletRedis({ host, port }: NonNullable<Place["redis"]>): Promise<StorageClient> {
  const store = await openRedisKeyValueStore(parseRedisLocation(`redis://${host}:${port}/0?prefix=bench`));
  return {
    put: (key, body) => store.set(key, body),
    get: async (key) => (await store.get(key))?.length ?? 0,
    delete: async (keys) => {
      await store.delete(keys);
    },
    close: () => store.close(),
  };
}
