import { setTimeout as delay } from "node:timers/promises";
import { type Clock, systemClock } from "../clock.ts";
import { cancelFlagKey, cancelKey } from "../job/keys.ts";
import { leaseIsAlive, readLease } from "../job/lease.ts";
import { takeOver } from "../job/takeover.ts";
import { countOf } from "../observe/text.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { version } from "../version.ts";
import { EXIT } from "./exit-codes.ts";
import { JournalFollower } from "./follower.ts";
import { findJobs, type JobSummary } from "./journals.ts";
import { print, say } from "./output.ts";
import { openStoreOf, type StorageOption } from "./store.ts";

export const CANCEL_REASON = "kinglet cancel";
const POLL_MS = 250;
/** A driver looks for the request about once a second, on a remote store every five. */
const PATIENCE_MS = 30_000;

/**
 * `kinglet cancel <id>`: asks the living driver to cancel the job, and waits until it has; the job of a dead one is
 * taken over and marked.
 */
export async function cancel(
  id: string,
  options: StorageOption,
  clock: Clock = systemClock,
): Promise<number> {
  const store = await openStoreOf(id, options);
  const found = await findJobs(store, id, clock);
  const open = found.filter(({ job }) => !job.ended);
  if (open.length === 0) {
    say(`Job ${id} has ended already: ${found[0]!.condition}.`);
    return EXIT.ok;
  }
  const { journalId, leader } = open[0]!;
  const cancelled = leader
    ? await askDriver(store, journalId, open, leader.driverId, clock)
    : await markCancelled(store, journalId, open, clock);
  if (!cancelled) {
    say(
      `The driver of job ${id} (process ${leader?.pid} on ${leader?.host}) was asked to cancel it, but hasn't yet.`,
    );
    say("    Look again with: kinglet jobs. A driver whose own thread is busy answers when that is done.");
    return EXIT.failed;
  }
  print(
    `Cancelled ${open.length === 1 ? `job ${open[0]!.id}` : `${countOf(open.length, "run")} of ${journalId}`}.`,
  );
  return EXIT.ok;
}

/** Puts the request where the driver looks for it. @returns whether the jobs have ended */
async function askDriver(
  store: ObjectStore,
  journalId: string,
  open: readonly JobSummary[],
  driverId: string,
  clock: Clock,
): Promise<boolean> {
  const request = Buffer.from(JSON.stringify({ reason: CANCEL_REASON, atMs: clock.nowMs() }));
  const keys = open.map(({ job }) => cancelKey({ journalId, number: job.meta.number }));
  for (const key of keys) await store.put(key, request, { ifAbsent: true });
  await store.put(cancelFlagKey(driverId), request);
  const follower = new JournalFollower(store, journalId);
  const untilMs = clock.nowMs() + PATIENCE_MS;
  while (clock.nowMs() < untilMs) {
    await follower.poll();
    const waiting = open.filter(({ job }) => !follower.jobs.get(job.meta.number)?.ended);
    if (waiting.length === 0) return true;
    const lease = await readLease(store, driverId);
    if (!lease || !leaseIsAlive(lease, clock)) return markCancelled(store, journalId, waiting, clock);
    await delay(POLL_MS);
  }
  return false;
}

async function markCancelled(
  store: ObjectStore,
  journalId: string,
  open: readonly JobSummary[],
  clock: Clock,
): Promise<boolean> {
  const self = { kinglet: version, node: process.version, driverId: `cancel-${process.pid}` };
  const { journal, state } = await takeOver(store, journalId, self, clock);
  try {
    for (const { job } of open) {
      const jobNumber = job.meta.number;
      if (state.jobs.get(jobNumber)?.ended) continue;
      await journal.append([{ type: "ended", jobNumber, state: "cancelled", reason: CANCEL_REASON }]);
    }
  } finally {
    await journal.close();
  }
  return true;
}
