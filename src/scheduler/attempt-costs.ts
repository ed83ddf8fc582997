import type { AttemptEnd, AttemptUsage, ComputePrices } from "../compute/contract.ts";
import { type AttemptCost, costOfAttempt } from "../cost/ledger.ts";
import { KingletError } from "../errors.ts";
import { jobId } from "../job/keys.ts";
import type { JobRun } from "./job-run.ts";

interface Attempted {
  readonly job: JobRun;
  readonly start: { readonly first: number; readonly count: number };
  readonly reported: number;
  raced: boolean;
}

/** Puts the attempt's cost into its job's ledger; undefined where workers cost nothing, or it isn't known. */
export function bookAttempt(
  { job, start, reported, raced }: Attempted,
  end: AttemptEnd,
  usage: AttemptUsage | undefined,
  prices: ComputePrices | undefined,
): AttemptCost | undefined {
  if (!usage || !prices) return undefined;
  const cost = costOfAttempt(usage, prices, { end: end.kind, count: start.count, reported, raced });
  job.ledger.addAttempt(cost);
  return cost;
}

/** A backup of the task `first` starts: whoever has it already runs a race. */
export function markRaced(attempts: Iterable<Attempted>, job: JobRun, first: number): void {
  for (const other of attempts) {
    const { start } = other;
    if (other.job === job && first >= start.first && first < start.first + start.count) other.raced = true;
  }
}

/** What a job ends with whose budget another attempt might pass. */
export function overspent({ ref, spec, counts }: JobRun, spentUsd: number): KingletError {
  const { budgetUsd } = spec.options;
  const id = jobId(ref);
  const done = counts.total === undefined ? `${counts.committed}` : `${counts.committed} of ${counts.total}`;
  return new KingletError(
    "BUDGET_SPENT",
    `job ${id}: $${spentUsd.toPrecision(3)} of its budget of $${budgetUsd} are spent, and another attempt might pass it; ${done} tasks are done`,
    {
      remedy: `What is done is kept. Go on with the rest: kinglet resume ${id} (its budget counts anew), or give the job a name and a bigger budgetUsd and run the script again.`,
      details: { jobId: id, spentUsd, budgetUsd, done: counts.committed },
    },
  );
}
