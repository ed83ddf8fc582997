import {
  ENTRY_FAILED,
  ENTRY_THREW,
  type Entry,
  type FailedOutcome,
  Run,
  RunBuilder,
  type TaskFailureKind,
} from "../job/entries.ts";

/** What users read of tasks that didn't end by themselves; the evidence follows. */
const MESSAGES: Record<TaskFailureKind, string> = {
  crashed: "its worker crashed",
  "out-of-memory": "its worker ran out of memory",
  "timed-out": "it passed its time limit",
  lost: "its worker was lost",
  throttled: "the backend refused to run it, again and again",
  cancelled: "it was cancelled",
  "upstream-failed": "its input failed",
};

/** A run of equal failures of tasks `first`…, as the driver records them. */
export function failureRun(
  jobNumber: number,
  first: number,
  count: number,
  kind: TaskFailureKind,
  evidence: string,
  attempts: number,
): Run {
  const failure: FailedOutcome = {
    kind,
    message: evidence ? `${MESSAGES[kind]}: ${evidence}` : MESSAGES[kind],
    ...(evidence ? { evidence } : {}),
    attempts,
  };
  const body = Buffer.from(JSON.stringify(failure));
  return runOf(
    jobNumber,
    first,
    Array.from({ length: count }, () => ({ kind: ENTRY_FAILED, body })),
  );
}

/** The function can't be loaded: its error stands for the task's. */
export const unloadableRun = (jobNumber: number, index: number, error: Uint8Array): Run =>
  runOf(jobNumber, index, [{ kind: ENTRY_THREW, body: error }]);

export function runOf(jobNumber: number, first: number, entries: readonly Entry[]): Run {
  const builder = new RunBuilder({ jobNumber, attempt: 0, first });
  for (const { kind, body } of entries) builder.add(kind, [body]);
  const chunks = builder.finish();
  return new Run(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
}
