import { existsSync } from "node:fs";
import path from "node:path";
import { resolvePoolOptions } from "../config.ts";
import { KingletError, UsageError } from "../errors.ts";
import { type JobRef, parseJobId } from "../job/keys.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isStoreUrl, openStoreAt, parseStoreLocation } from "../storage/locate.ts";

export interface StorageOption {
  readonly storage?: string;
}

/** The storage of a pool opened here: a folder's whole path, or a URL. */
export function storageFolder({ storage }: StorageOption): string {
  const folder = resolvePoolOptions(storage === undefined ? {} : { storage }).storage ?? ".kinglet";
  if (isStoreUrl(folder)) return folder;
  if (folder !== "memory:") return path.resolve(folder);
  throw new UsageError("BAD_OPTION", 'the storage is "memory:", which ends with the process that made it', {
    remedy: "Choose a folder: --storage <folder>, KINGLET_STORAGE, or storage in kinglet.config.ts.",
    details: { option: "storage" },
  });
}

/** The store, or undefined where there is none yet: looking at jobs makes no folder. */
export async function openStoreIfAny(options: StorageOption): Promise<ObjectStore | undefined> {
  const storage = storageFolder(options);
  return isStoreUrl(storage) || existsSync(storage) ? openStore(storage) : undefined;
}

/** The store of a URL or in a folder, which is made if need be. @throws StoreError, UsageError */
export const openStore = (storage: string): Promise<ObjectStore> => openStoreAt(parseStoreLocation(storage));

/** The store that holds the job. @throws KingletError JOB_NOT_FOUND where there is no store at all */
export async function openStoreOf(id: string, options: StorageOption): Promise<ObjectStore> {
  const store = await openStoreIfAny(options);
  if (store) return store;
  throw jobNotFound(id, `there is no store at ${storageFolder(options)}`);
}

/** @throws KingletError JOB_NOT_FOUND if the text can't be an id */
export function checkJobId(id: string): JobRef {
  const ref = parseJobId(id);
  if (!ref) throw jobNotFound(id, "an id looks like 261121-035312-k3f9x2ab, or 261121-035312-k3f9x2ab.7");
  return ref;
}

export function jobNotFound(id: string, why: string): KingletError {
  return new KingletError("JOB_NOT_FOUND", `there is no job ${JSON.stringify(id)}: ${why}`, {
    remedy: "List them with: kinglet jobs (in the script's folder, or with its --storage)",
    details: { jobId: id },
  });
}
