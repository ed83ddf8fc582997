import { randomUUID } from "node:crypto";
import path from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { PoolOptions } from "../../src/index.ts";
import { join } from "../../src/storage/bodies.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";
import { openStoreAt, parseStoreLocation } from "../../src/storage/locate.ts";
import { describeWith, type Services, s3Service } from "../services/services.ts";
import { PATIENCE_MS } from "./patience.ts";
import { setFreshStorage, setPoolDefaults, temporaryFolder } from "./pools.ts";

export type StoreKind = "disk" | "s3" | "redis" | "lambda";

let boundTo: StoreKind = "disk";

/**
 * Declares the tests for the kind of store that jobs live in: `testPool()` and `freshStorage()` give a store of that kind,
 * and processes that a test starts may open it. That is the disk; the long part of the tests declares them again in other
 * places (`onS3`, `onRedis`, `onLambda`).
 */
export function onEveryStore(declare: (kind: StoreKind) => void): void {
  declare(boundTo);
}

/** Declares the test files that `load` imports, with jobs that live in S3. */
export const onS3 = (load: () => Promise<unknown>): void =>
  describeWith("s3", "in S3", (s3) => {
    useS3(s3);
    return loadFor("s3", load);
  });

/** The same, in Redis. */
export const onRedis = (load: () => Promise<unknown>): void =>
  describeWith("redis", "in Redis", (redis) => {
    useRedis(redis);
    return loadFor("redis", load);
  });

async function loadFor(kind: StoreKind, load: () => Promise<unknown>): Promise<void> {
  boundTo = kind;
  await load();
  boundTo = "disk";
}

/** Environments at a time: nested maps hold one for each task that waits. */
const ENVIRONMENTS = 24;

/**
 * The same, for workers on AWS Lambda: on its double, with jobs in S3. `testPool()` gives a pool there. Tasks see nothing
 * of this machine, so tests that meet their tasks in files are none for it.
 */
export const onLambda = (load: () => Promise<unknown>): void =>
  describeWith("lambda", "on AWS Lambda", (lambda) => {
    useStorage(async () => {
      const account = await lambda().openAccount({ concurrency: ENVIRONMENTS, initMs: PATIENCE_MS });
      const bucket = await (await s3Service()).makeBucket();
      return {
        env: { ...account.env, KINGLET_COMPUTE: "aws-lambda" },
        // One function for all of them, whatever their store, so that its environments stay warm.
        options: { aws: { roleArn: account.roleArn, memoryMb: 512, timeoutS: 60 } },
        fresh: () => `s3://${bucket}/${randomUUID()}?pathStyle=true`,
      };
    });
    return loadFor("lambda", load);
  });

/** Declares the tests once for each kind of store behind a server. What isn't installed is left out loudly. */
export function onRemoteStores(declare: (kind: Exclude<StoreKind, "disk" | "lambda">) => void): void {
  describeWith("s3", "in S3", (s3) => {
    useS3(s3);
    declare("s3");
  });
  describeWith("redis", "in Redis", (redis) => {
    useRedis(redis);
    declare("redis");
  });
}

function useS3(s3: () => Services["s3"]): void {
  useStorage(async () => {
    const bucket = await s3().makeBucket();
    return { env: s3().env, fresh: () => `s3://${bucket}/${randomUUID()}?pathStyle=true` };
  });
}

function useRedis(redis: () => Services["redis"]): void {
  useStorage(async () => ({ env: {}, fresh: () => `${redis().url}/0?prefix=${randomUUID()}` }));
}

export interface Home {
  /** For this process, and those that it starts: credentials, say. */
  readonly env: Readonly<Record<string, string>>;
  readonly options?: PoolOptions;
  fresh(): string;
}

export function useStorage(open: () => Promise<Home>): void {
  let restore = () => {};
  beforeAll(async () => {
    const { env, fresh, options = {} } = await open();
    setPoolDefaults(options);
    restore = setEnv(env);
    setFreshStorage(fresh);
  });
  afterAll(() => {
    restore();
    setPoolDefaults({});
    setFreshStorage(() => path.join(temporaryFolder(), "store"));
  });
}

function setEnv(env: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

/** Does something with other environment variables: this process, and those that it starts meanwhile. */
export async function withEnv<T>(env: Readonly<Record<string, string>>, use: () => Promise<T>): Promise<T> {
  const restore = setEnv(env);
  try {
    return await use();
  } finally {
    restore();
  }
}

/** Opens the store behind a pool, to look at what lies in it. */
export async function lookInto<T>(storage: string, look: (store: ObjectStore) => Promise<T>): Promise<T> {
  const store = await openStoreAt(parseStoreLocation(storage));
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

export const keysIn = (storage: string, prefix = ""): Promise<string[]> =>
  lookInto(storage, async (store) => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  });

/** All bytes of all objects. */
export const contentsOf = (storage: string): Promise<Uint8Array> =>
  lookInto(storage, async (store) => {
    const bodies: Uint8Array[] = [];
    for await (const { key } of store.list("")) bodies.push(await store.get(key));
    return join(bodies);
  });
