import { cancelPrefix, type JobRef, jobId, parseJobId } from "../job/keys.ts";
import type { JobCore } from "./job-handle.ts";
import type { Session } from "./session.ts";

const LOOK_MS = 1000;

/** `kinglet cancel` in another process puts a request beside the job's logs: looks for it while jobs are led here. */
export function watchCancelRequests(session: Session): void {
  const look = async () => {
    if (!session.closing) await cancelRequested(session).catch(() => {});
    if (!session.closing) session.clock.after(LOOK_MS, look);
  };
  session.clock.after(LOOK_MS, look);
}

async function cancelRequested(session: Session): Promise<void> {
  const led = [...session.jobs.values()].filter((core) => core.running);
  for (const journalId of new Set(led.map((core) => refOf(core).journalId))) {
    const prefix = cancelPrefix(journalId);
    for await (const { key } of session.store.list(prefix)) {
      const core = session.jobs.get(jobId({ journalId, number: Number(key.slice(prefix.length)) }));
      core?.onCancel?.("kinglet cancel");
    }
  }
}

const refOf = (core: JobCore): JobRef => parseJobId(core.id)!;
