import type { PriceTable } from "../cost/prices.ts";
import { BYTES_PER_MS, REQUEST_MS } from "../dataflow/plan.ts";
import type { SortPlan, SortStage } from "../dataflow/sort-plan.ts";
import { requestsOfStreamedPut } from "../storage/part-size.ts";

/** Where a planned computation runs. */
export interface Fleet {
  /** Tasks at a time. */
  readonly workers: number;
  readonly memoryMb: number;
  /** What a worker reads, sorts and writes in a second, in MB (10⁶ bytes). */
  readonly mbPerSecond: number;
  readonly architecture: "arm64" | "x64";
}

export const DEFAULT_MB_PER_SECOND = (BYTES_PER_MS * 1000) / 1e6;

export interface StageCost extends SortStage {
  /** Requests of the price of a put: parts of big objects are one each. */
  readonly putRequests: number;
  /** Of one task. */
  readonly taskMs: number;
  readonly elapsedMs: number;
  readonly gbSeconds: number;
}

export interface PlanCost {
  readonly stages: readonly StageCost[];
  readonly elapsedMs: number;
  readonly gbSeconds: number;
  readonly invocations: number;
  readonly getRequests: number;
  readonly putRequests: number;
  readonly costUsd: {
    readonly compute: number;
    readonly invocations: number;
    readonly gets: number;
    readonly puts: number;
    /** Of intermediate objects, from the first to the end. */
    readonly storage: number;
    readonly total: number;
  };
}

const HOURS_PER_MONTH = 730;

/** Time and cost of a plan: tasks in waves of as many as there are workers, each as long as its bytes and requests take. */
export function costOfPlan(plan: SortPlan, fleet: Fleet, prices: PriceTable): PlanCost {
  const stages = plan.stages.map((stage) => costOfStage(stage, fleet));
  const sum = (of: (stage: StageCost) => number) => stages.reduce((total, stage) => total + of(stage), 0);
  const [elapsedMs, gbSeconds, invocations] = [
    sum((s) => s.elapsedMs),
    sum((s) => s.gbSeconds),
    sum((s) => s.tasks),
  ];
  const [getRequests, putRequests] = [sum((s) => s.gets), sum((s) => s.putRequests)];
  const { lambda, s3 } = prices;
  const intermediateGb = (plan.levels * stages[0]!.writtenBytes) / 1e9;
  const costs = {
    compute: gbSeconds * lambda.usdPerGbSecond[fleet.architecture === "x64" ? "x86_64" : "arm64"],
    invocations: invocations * lambda.usdPerRequest,
    gets: getRequests * s3.usdPerGet,
    puts: putRequests * s3.usdPerPut,
    storage: (intermediateGb * s3.usdPerGbMonth * elapsedMs) / 3_600_000 / HOURS_PER_MONTH,
  };
  const total = Object.values(costs).reduce((a, b) => a + b);
  return {
    ...{ stages, elapsedMs, gbSeconds, invocations, getRequests, putRequests },
    costUsd: { ...costs, total },
  };
}

function costOfStage(stage: SortStage, { workers, memoryMb, mbPerSecond }: Fleet): StageCost {
  const { tasks, gets, puts, readBytes, writtenBytes } = stage;
  const putRequests = puts * requestsOfStreamedPut(writtenBytes / puts);
  const movedMs = (readBytes + writtenBytes) / tasks / (mbPerSecond * 1000);
  const taskMs = movedMs + ((gets + putRequests) / tasks) * REQUEST_MS;
  return {
    ...{ ...stage, putRequests, taskMs },
    elapsedMs: Math.ceil(tasks / workers) * taskMs,
    gbSeconds: (tasks * taskMs * memoryMb) / 1024 / 1000,
  };
}
