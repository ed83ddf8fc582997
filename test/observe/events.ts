import type { PoolEvent } from "../../src/observers.ts";
import type { JobEvent } from "../../src/scheduler/events.ts";

type Opened = PoolEvent & { kind: "job-opened" };
type Ended = PoolEvent & { kind: "job-ended" };

export const opened = (jobId: string, atMs: number, facts: Partial<Opened> = {}): Opened => ({
  kind: "job-opened",
  jobId,
  atMs,
  jobKind: "map",
  functionName: "resize",
  name: undefined,
  total: undefined,
  settled: 0,
  slots: 2,
  nested: false,
  ...facts,
});

export const ended = (jobId: string, atMs: number, facts: Partial<Ended> = {}): Ended => ({
  kind: "job-ended",
  jobId,
  atMs,
  state: "done",
  tasks: 0,
  failed: 0,
  ...facts,
});

export const job = (jobId: string, event: JobEvent): PoolEvent => ({ kind: "job", jobId, event });

export const drawn = (jobId: string, atMs: number, count: number, total?: number): PoolEvent =>
  job(jobId, { kind: "drawn", atMs, drawn: count, total });

export const started = (
  jobId: string,
  atMs: number,
  attempt: number,
  first: number,
  count = 1,
  facts: { slot?: string; backup?: boolean } = {},
): PoolEvent =>
  job(jobId, { kind: "attempt-started", atMs, attempt, first, count, slot: "a", backup: false, ...facts });

export const finished = (
  jobId: string,
  atMs: number,
  attempt: number,
  first: number,
  count = 1,
  facts: { slot?: string; end?: string } = {},
): PoolEvent =>
  job(jobId, {
    kind: "attempt-ended",
    atMs,
    attempt,
    first,
    count,
    slot: "a",
    end: "ok",
    evidence: undefined,
    startedTask: undefined,
    ms: 0,
    ...facts,
  });

export const committed = (jobId: string, atMs: number, first: number, count: number, failed = 0): PoolEvent =>
  job(jobId, { kind: "committed", atMs, first, count, failed });

export const retried = (jobId: string, atMs: number, index: number): PoolEvent =>
  job(jobId, { kind: "retry", atMs, index, because: "crashed", charged: 1, delayMs: 0 });
