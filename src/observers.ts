import type { JobKind } from "./job/records.ts";
import type { JobCost } from "./job.ts";
import type { JobEvent } from "./scheduler/events.ts";

/**
 * What happens in the pools of this process, for progress bars, reports and dashboards. Observers only look on:
 * an observer that throws is dropped, and never harms a job.
 */
export type PoolEvent =
  | {
      readonly kind: "job-opened";
      readonly jobId: string;
      readonly atMs: number;
      readonly jobKind: JobKind;
      readonly functionName: string;
      readonly name: string | undefined;
      /** Number of tasks, where the input's length is known. */
      readonly total: number | undefined;
      /** Tasks that need no run: their outcomes were there already. */
      readonly settled: number;
      readonly slots: number;
      readonly nested: boolean;
    }
  | { readonly kind: "job"; readonly jobId: string; readonly event: JobEvent }
  | {
      readonly kind: "job-ended";
      readonly jobId: string;
      readonly atMs: number;
      readonly state: string;
      readonly tasks: number;
      readonly failed: number;
      readonly cost?: JobCost;
    };

export type PoolObserver = (event: PoolEvent) => void;

// One set for the whole process, also when two copies of the package are loaded.
const KEY = Symbol.for("kinglet.observers");
const observers: Set<PoolObserver> = ((globalThis as Record<symbol, unknown>)[KEY] ??=
  new Set()) as Set<PoolObserver>;

/** Adds an observer; the returned function removes it. */
export function observe(observer: PoolObserver): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

export const observed = (): boolean => observers.size > 0;

export function emit(event: PoolEvent): void {
  for (const observer of observers) {
    try {
      observer(event);
    } catch (error) {
      observers.delete(observer);
      process.emitWarning(`a Kinglet observer threw and was removed: ${(error as Error)?.message ?? error}`);
    }
  }
}
