import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { StoreError } from "../errors.ts";
import type { ObjectStore } from "./contract.ts";
import { openDiskStore } from "./disk.ts";
import { FOOTER_BYTES, parseFooter } from "./disk-object.ts";

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
  return openDiskStore(location.root, location.durability ? { durability: location.durability } : {});
}

/**
 * A whole object, at once: for values that must be there when a property is read.
 * @throws StoreError NOT_FOUND, STORE_CORRUPT
 */
export function readObjectSync(location: StoreLocation, key: string): Uint8Array {
  const file = openDiskStore(location.root).localPath!(key);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new StoreError("NOT_FOUND", `${key} is not in the store ${location.root}`, {
      cause,
      details: { key },
    });
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - FOOTER_BYTES));
  const footer = parseFooter(bytes.subarray(body.length), body.length);
  if (footer?.crc === crc32(body)) return body;
  throw new StoreError("STORE_CORRUPT", `${key} in the store ${location.root} doesn't match its checksum`, {
    remedy: "Delete the object, and run the script again.",
    details: { key },
  });
}
