import { openStoreAt, parseStoreLocation } from "../../src/storage/locate.ts";
import type { StorageClient } from "./client.ts";

/** Kinglet's object store of a folder or URL, with the layers that jobs have around it. */
export async function openKinglet(storage: string): Promise<StorageClient> {
  const store = await openStoreAt(parseStoreLocation(storage));
  return {
    put: async (key, body) => {
      await store.put(key, body);
    },
    get: async (key) => (await store.get(key)).length,
    delete: (keys) => store.delete(keys),
    close: () => store.close(),
  };
}
