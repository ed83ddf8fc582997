import {
  ENTRY_FAILED,
  ENTRY_OUTCOME,
  entryIsOk,
  type FailedOutcome,
  type OutcomeRef,
} from "../job/entries.ts";
import type { InputRuns } from "./input-runs.ts";
import type { JobCore } from "./job-core.ts";
import type { Segment } from "./outcomes.ts";

/** What an input of futures waits for: their commits. */
export function whenCommitted(core: JobCore): Promise<void> {
  return new Promise((resolve) => {
    if (core.table.committed > 0 || core.ending) resolve();
    else core.changed().then(() => whenCommitted(core).then(resolve));
  });
}

/** Where the outcome of task `index` lies, for whoever takes it as an input. */
export function refOf(core: JobCore, segment: Segment, index: number): OutcomeRef {
  const { log, offsetBytes, lengthBytes } = segment.location;
  return {
    logKey: core.journalPrefix + log,
    offsetBytes,
    lengthBytes,
    index,
    ...(segment.skipBytes ? { skipBytes: segment.skipBytes } : {}),
    ...(core.kind === "mapSettled" ? { settled: true } : {}),
  };
}

export const json = (value: unknown): Uint8Array[] => [Buffer.from(JSON.stringify(value))];

export function upstreamFailed(core: JobCore): Uint8Array[] {
  const failure: FailedOutcome = {
    kind: "upstream-failed",
    message: `its input, ${core.kind === "run" ? "future" : "job"} ${core.id}, failed`,
    attempts: 0,
  };
  return json(failure);
}

/** Adds a future's outcome by reference; false while it has none. */
export function addFuture(runs: InputRuns, core: JobCore): boolean {
  core.observed = true;
  runs.context.core.code?.noteUpstream(core.code);
  const segment = core.table.startingAt(0);
  if (segment) {
    const failed = segment.run && !entryIsOk(segment.run.kindOf(0));
    if (failed) runs.addEntry(ENTRY_FAILED, upstreamFailed(core));
    else runs.addEntry(ENTRY_OUTCOME, json(refOf(core, segment, 0)));
    return true;
  }
  if (!core.ending) return false;
  runs.addEntry(ENTRY_FAILED, upstreamFailed(core));
  return true;
}
