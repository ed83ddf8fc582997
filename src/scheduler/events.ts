import type { AttemptUsage } from "../compute/contract.ts";
import type { AttemptCost } from "../cost/ledger.ts";
import type { TaskFailureKind } from "../job/entries.ts";

/**
 * What happens in a job, for progress, logs and reports; `atMs` is wall time. Outcomes aren't among them: they come
 * through `onOutcomes`.
 */
export type JobEvent =
  | {
      readonly kind: "attempt-started";
      readonly atMs: number;
      readonly attempt: number;
      readonly slot: string;
      readonly first: number;
      readonly count: number;
      /** The tasks run elsewhere at the same time: the other one was slow. */
      readonly backup: boolean;
    }
  | {
      readonly kind: "attempt-ended";
      readonly atMs: number;
      readonly attempt: number;
      readonly slot: string;
      readonly first: number;
      readonly count: number;
      /** `ok`, or one of the kinds of the compute contract: `crashed`, `timed-out`, `revoked`, … */
      readonly end: string;
      readonly evidence: string | undefined;
      readonly startedTask: number | undefined;
      /** What it used and came to, where workers cost something. */
      readonly usage?: AttemptUsage;
      readonly cost?: AttemptCost;
      /** Since it was started, its time in the slot's queue included. */
      readonly ms: number;
    }
  /** A task will run again, `delayMs` from now; `charged` of its attempts failed so far. */
  | {
      readonly kind: "retry";
      readonly atMs: number;
      readonly index: number;
      readonly because: TaskFailureKind | "threw";
      readonly charged: number;
      readonly delayMs: number;
    }
  /** So many tasks are known by now; `total` once there are no more to come. Progress bars live on it. */
  | {
      readonly kind: "drawn";
      readonly atMs: number;
      readonly drawn: number;
      readonly total: number | undefined;
    }
  /** Outcomes were recorded, and shown. */
  | {
      readonly kind: "committed";
      readonly atMs: number;
      readonly first: number;
      readonly count: number;
      readonly failed: number;
    }
  /** The backend throttles, or has stopped to: so many slots are used at most. */
  | { readonly kind: "concurrency"; readonly atMs: number; readonly slots: number }
  | {
      readonly kind: "console";
      readonly atMs: number;
      readonly attempt: number;
      readonly index: number | undefined;
      readonly stream: "stdout" | "stderr";
      /** As printed, without the line break; terminal escapes not yet stripped. */
      readonly text: string;
    };
