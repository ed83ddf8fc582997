import { cancelFlagKey, cancelPrefix, type JobRef, jobId, parseJobId } from "../job/keys.ts";
import type { JobCore } from "./job-handle.ts";
import type { Session } from "./session.ts";

const LOOK_MS = 1000;
/** Where each look is a request, which is paid for. */
const LOOK_REMOTE_MS = 5000;

/**
 * `kinglet cancel` in another process puts a request beside the job's logs, and then a flag for the driver: looks for
 * that flag while jobs are led here.
 */
export function watchCancelRequests(session: Session): void {
  const lookMs = session.requestsCost ? LOOK_REMOTE_MS : LOOK_MS;
  const look = async () => {
    if (!session.closing) await cancelRequested(session).catch(() => {});
    if (!session.closing) session.clock.after(lookMs, look);
  };
  session.clock.after(lookMs, look);
}

async function cancelRequested(session: Session): Promise<void> {
  const { store } = session;
  const led = [...session.jobs.values()].filter((core) => core.running);
  const flag = cancelFlagKey(session.driverId);
  if (led.length === 0 || !(await store.exists(flag))) return;
  // First of all: a request that comes from here on puts it again.
  await store.delete([flag]);
  for (const journalId of new Set(led.map((core) => refOf(core).journalId))) {
    const prefix = cancelPrefix(journalId);
    for await (const { key } of store.list(prefix)) {
      const core = session.jobs.get(jobId({ journalId, number: Number(key.slice(prefix.length)) }));
      core?.onCancel?.("kinglet cancel");
    }
  }
}

const refOf = (core: JobCore): JobRef => parseJobId(core.id)!;
