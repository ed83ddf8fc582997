import { availableParallelism } from "node:os";
import type { ComputeBackend } from "../compute/contract.ts";
import { lambdaFacts, resolveAwsOptions } from "../compute/lambda/options.ts";
import { LateBackend } from "../compute/late.ts";
import { createLocalBackend } from "../compute/local/backend.ts";
import type { StartedProcess } from "../compute/local/start-process.ts";
import { UsageError } from "../errors.ts";
import type { CallOptions, PoolOptions } from "../options.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { StoreLocation } from "../storage/locate.ts";
import { MAX_DEPTH } from "./nested.ts";

export interface ChosenBackend {
  readonly compute: ComputeBackend;
  /** Wanted at most, but for those that waiting parents of nested maps lend. */
  readonly slots: number;
}

/** Environments that run at a time in an account whose quota nobody has raised. Source: Lambda quotas. */
const LAMBDA_SLOTS = 1000;

/**
 * Parents that wait for nested maps lend their slots: there may be more workers than slots that work. Of each depth at
 * most twice as many wait as there are slots (scheduler/lending.ts): what is deepest always finds one.
 */
const slotsWithLent = (slots: number): number => slots * (2 * MAX_DEPTH + 1);

/**
 * The backend that the option `compute` names.
 * @param started the first local worker's process, where it boots already
 * @throws UsageError BAD_OPTION
 */
export function chooseBackend(
  options: PoolOptions,
  location: StoreLocation,
  store: ObjectStore,
  started?: StartedProcess,
): ChosenBackend {
  if (options.compute === "aws-lambda") return lambdaBackend(options, location, store);
  const slots = options.concurrency ?? availableParallelism();
  const compute = createLocalBackend({
    store: location,
    slots: slotsWithLent(slots),
    // A worker with a memory limit is another process: the pool's own limit is only known with its calls.
    warm: options.memoryMb === undefined,
    ...(started ? { started } : {}),
  });
  return { compute, slots };
}

/** Loaded with the first job: nobody else shall wait for it. */
function lambdaBackend(options: PoolOptions, location: StoreLocation, store: ObjectStore): ChosenBackend {
  const aws = resolveAwsOptions(options.aws, location);
  const slots = options.concurrency ?? LAMBDA_SLOTS;
  const maxSlots = slotsWithLent(slots);
  const known = lambdaFacts(aws, slots, maxSlots);
  const load = async () => {
    const { openLambdaBackend } = await import("../compute/lambda/open.ts");
    return openLambdaBackend(aws, store, slots, maxSlots);
  };
  return { compute: new LateBackend(known, load), slots };
}

/**
 * What a call asks of its workers must be something that they can have.
 * @throws UsageError BAD_OPTION naming the option and its range there
 */
export function checkWorkerLimits(options: CallOptions, compute: ComputeBackend, where: string): void {
  const most = { timeoutMs: compute.maxTaskMs, memoryMb: compute.memory?.maxMb };
  for (const option of ["timeoutMs", "memoryMb"] as const) {
    const [value, max] = [options[option], most[option]];
    if (value === undefined || max === undefined || value <= max) continue;
    const message = `${where}: option ${option} is ${value}; workers of ${compute.description} have ${max} at most`;
    const remedy = `Set ${option} to ${max} or less, or run the call on another pool (option on).`;
    throw new UsageError("BAD_OPTION", message, { remedy, details: { option } });
  }
}
