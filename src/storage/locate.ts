import { readFileSync } from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import { cacheCompiledCode } from "../compile-cache.ts";
import { StoreError, UsageError } from "../errors.ts";
import type { ObjectStore } from "./contract.ts";
import { openDiskStore } from "./disk.ts";
import { FOOTER_BYTES, parseFooter } from "./disk-object.ts";
import { LateStore } from "./layers/late.ts";
import { createRetry, withRetry } from "./layers/retry.ts";
import { isRedisUrl, parseRedisLocation, type RedisLocation, showRedisLocation } from "./redis/location.ts";
import { addressOf, parseS3Location, type S3Location, showS3Location } from "./s3/location.ts";
import { withSegmentedLogs } from "./segmented-log.ts";

/** Which store to open: plain JSON, so that it can travel to workers and inside handles. Holds no secret. */
export type StoreLocation = DiskLocation | S3Location | RedisLocation;

export interface DiskLocation {
  readonly kind: "disk";
  readonly root: string;
  readonly durability?: "process" | "fsync";
}

/** A minute of patience with a server that is away for a while, or has too much to do. */
const REMOTE_RETRIES = { attempts: 10, maxDelayMs: 10_000 } as const;

/** Whether a storage option names a server by a URL, rather than a folder. */
export const isStoreUrl = (storage: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(storage);

/**
 * The location that the option `storage` names: a folder, `s3://bucket/prefix`, or `redis://host:port/db?prefix=…`.
 * @throws UsageError BAD_OPTION
 * @example parseStoreLocation("s3://my-bucket/kinglet?region=eu-west-1")
 */
export function parseStoreLocation(
  storage: string,
  durability?: DiskLocation["durability"],
  /** Of a bucket in S3, where neither the URL nor the environment names one. */
  region?: string,
): StoreLocation {
  if (/^s3:/i.test(storage)) return parseS3Location(storage, environmentIn(region));
  if (isRedisUrl(storage)) return parseRedisLocation(storage);
  if (!isStoreUrl(storage)) {
    return { kind: "disk", root: path.resolve(storage), ...(durability ? { durability } : {}) };
  }
  const scheme = storage.slice(0, storage.indexOf(":"));
  throw new UsageError(
    "BAD_OPTION",
    `the storage is a URL of ${JSON.stringify(scheme)}, which Kinglet doesn't know`,
    {
      remedy: "Use a folder, s3://bucket/prefix, or redis://host:6379/0?prefix=name.",
      details: { option: "storage" },
    },
  );
}

function environmentIn(region: string | undefined): NodeJS.ProcessEnv {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  return region === undefined || AWS_REGION || AWS_DEFAULT_REGION
    ? process.env
    : { ...process.env, AWS_REGION: region };
}

/** For messages: the folder, or the URL's main parts. */
export const showStoreLocation = (location: StoreLocation): string => {
  if (location.kind === "disk") return location.root;
  return location.kind === "s3" ? showS3Location(location) : showRedisLocation(location);
};

/** The AWS region whose prices the store's requests have; undefined where they cost nothing that is known. */
export function paidRegion(location: StoreLocation): string | undefined {
  if (location.kind !== "s3" || location.endpoint !== undefined) return undefined;
  return addressOf(location).region;
}

const open = new Map<string, Promise<ObjectStore>>();

/**
 * The store of a location, opened once a process; for workers and handles. A remote one isn't checked again: who
 * started the job has done so. @throws StoreError as the store's own `open…`
 */
export function storeAt(location: StoreLocation): Promise<ObjectStore> {
  const id = JSON.stringify(location.kind === "disk" ? [location.kind, location.root] : location);
  let store = open.get(id);
  if (!store) {
    store =
      location.kind === "disk" ? openStoreAt(location) : openRemote(location).then((remote) => remote.store);
    open.set(id, store);
    store.catch(() => open.delete(id));
  }
  return store;
}

/** A store of its own, found to work. @throws StoreError as the store's own `open…`, and `check` of a remote one */
export async function openStoreAt(location: StoreLocation): Promise<ObjectStore> {
  if (location.kind === "disk") return openDisk(location);
  const { store, check } = await openRemote(location);
  try {
    await check();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** As `openStoreAt`, at once: a remote store opens with its first use, which throws what opening it throws. */
export function openStoreLate(location: StoreLocation): ObjectStore {
  if (location.kind === "disk") return openDisk(location);
  const append = location.kind === "s3" ? "emulated" : "native";
  const capabilities = { append, putIfAbsent: true, durable: true } as const;
  return new LateStore(showStoreLocation(location), capabilities, () => openStoreAt(location));
}

const openDisk = ({ root, durability }: DiskLocation): ObjectStore =>
  openDiskStore(root, durability ? { durability } : {});

interface Remote {
  readonly store: ObjectStore;
  check(): Promise<void>;
}

async function openRemote(location: S3Location | RedisLocation): Promise<Remote> {
  cacheCompiledCode();
  if (location.kind === "redis") return openRedis(location);
  const { openS3Store } = await import("./s3/store.ts");
  const bucket = openS3Store(location, { retry: REMOTE_RETRIES });
  return { store: withSegmentedLogs(withRetry(bucket, REMOTE_RETRIES)), check: () => bucket.check() };
}

async function openRedis(location: RedisLocation): Promise<Remote> {
  const { openRedisKeyValueStore } = await import("./redis/store.ts");
  const { checkRedis } = await import("./redis/check.ts");
  const { objectsOnKeys } = await import("./objects-on-keys/store.ts");
  // Few tries: who waits for this wants to know soon that there is no such server.
  const again = createRetry();
  const keys = await again(() => openRedisKeyValueStore(location));
  return {
    store: withRetry(objectsOnKeys(keys), REMOTE_RETRIES),
    // There is one, since it was connected to: it deserves more patience.
    check: () => createRetry({ attempts: 10, maxDelayMs: 500 })(() => checkRedis(keys)),
  };
}

/**
 * A whole object, at once: for values that must be there when a property is read.
 * @throws StoreError NOT_FOUND, STORE_CORRUPT
 */
export function readObjectSync(location: DiskLocation, key: string): Uint8Array {
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
