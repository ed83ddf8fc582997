import type { ObjectStore } from "./contract.ts";

/** Which store to open: plain JSON, so that it can travel to workers and inside handles. Holds no secret. */
export type StoreLocation = {
  readonly kind: "disk";
  readonly root: string;
  readonly durability?: "process" | "fsync";
};

const open = new Map<string, Promise<ObjectStore>>();

/** The store of a location, opened once a process. @throws StoreError as the store's own `open…` */
export function storeAt(location: StoreLocation): Promise<ObjectStore> {
  const id = JSON.stringify([location.kind, location.root]);
  let store = open.get(id);
  if (!store) {
    store = openStoreAt(location);
    open.set(id, store);
    store.catch(() => open.delete(id));
  }
  return store;
}

/** A store of its own. @throws StoreError as the store's own `open…` */
export async function openStoreAt(location: StoreLocation): Promise<ObjectStore> {
  const { openDiskStore } = await import("./disk.ts");
  return openDiskStore(location.root, location.durability ? { durability: location.durability } : {});
}
