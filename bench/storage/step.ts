import type { ClientName, Place } from "./client.ts";

/** What a worker process is started with. */
export interface WorkerSetup {
  readonly client: ClientName;
  readonly place: Place;
  /** Number of the worker, from 0: its keys are its own. */
  readonly worker: number;
}

/** One measurement: so many operations in each worker. */
export interface Step {
  readonly operation: "put" | "get";
  readonly objects: number;
  readonly sizeBytes: number;
  /** Operations in flight at a time, in each worker. */
  readonly inFlight: number;
}

/** From the process that measures to a worker: get ready; go; remove what the last step has put. */
export type Order = { readonly ready: Step } | { readonly go: true } | { readonly remove: Step };

/** What a worker answers when it has done so. Times in milliseconds since the epoch, with fractions. */
export interface Answer {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** User and system time of the process. */
  readonly cpuMs: number;
}
