/**
 * Kinglet: the cloud button for TypeScript. Ordinary functions on every core, with durable results.
 * See the README for the quick start, docs/guide for each task.
 */
export { defineConfig } from "./config.ts";
export {
  CaptureError,
  type ErrorCode,
  KingletError,
  StoreError,
  TaskError,
  UnserializableError,
  UsageError,
} from "./errors.ts";
export type { Future } from "./future.ts";
export type { Job, JobCost, JobProgress, JobStatus } from "./job.ts";
export { observe, type PoolEvent, type PoolObserver } from "./observers.ts";
export type { AwsOptions, CallOptions, PoolOptions } from "./options.ts";
export {
  type Context,
  type MapItems,
  type NestedPool,
  openPool,
  type Pool,
  type Resolved,
  type RunInput,
} from "./pool.ts";
export type { SliceOptions } from "./slices/options.ts";
export { PoolSlice } from "./slices/pool-slice.ts";
export type { Broadcast } from "./values/broadcast.ts";
export { PoolFile } from "./values/pool-file.ts";
export { type Secret, secret } from "./values/secret.ts";
export { type ByteRange, type NamedStore, StoredObject } from "./values/stored-object.ts";
export { task } from "./values/task-module.ts";
