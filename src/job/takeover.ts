import type { Clock } from "../clock.ts";
import { KingletError } from "../errors.ts";
import type { ObjectStore } from "../storage/contract.ts";
import type { JournalState } from "./fold.ts";
import { claimBody, createJournal, type Journal } from "./journal.ts";
import { readJournal } from "./journal-reader.ts";
import { claimName, journalPrefix } from "./keys.ts";
import { leaseIsAlive, readLease } from "./lease.ts";
import type { JournalHeader } from "./records.ts";

export interface Takeover {
  readonly journal: Journal;
  readonly state: JournalState;
}

/**
 * Takes a journal over from a driver that is gone: claims the next epoch, reads what counts, seals it.
 * @throws KingletError JOB_LED_ELSEWHERE while its driver lives, or when another process was faster
 */
export async function takeOver(
  store: ObjectStore,
  journalId: string,
  self: Omit<JournalHeader, "epoch" | "createdMs" | "format">,
  clock: Clock,
  options: { readonly force?: boolean; readonly sync?: boolean } = {},
): Promise<Takeover> {
  const before = await readJournal(store, journalId);
  if (!options.force) await refuseIfLed(store, before, clock);
  const epoch = before.epoch + 1;
  const claim = claimBody(self.driverId, clock.nowMs());
  const { created } = await store.put(journalPrefix(journalId) + claimName(epoch), claim, { ifAbsent: true });
  if (!created) throw ledElsewhere(journalId, "another process has just taken it over");
  // Only now: whatever the old driver shows from here on, it shows to nobody (journal.ts).
  const state = await readJournal(store, journalId);
  const header: JournalHeader = { ...self, format: 1, epoch, createdMs: clock.nowMs() };
  const { sealedBytes } = state;
  const generation = [...state.jobs.values()].some(({ meta }) => meta.options["retain"] === "consumed");
  const journal = await createJournal({
    store,
    id: journalId,
    header,
    sync: options.sync ?? false,
    generation,
    sealedBytes,
  });
  await journal.append([{ type: "seal", sealedBytes }]);
  return { journal, state };
}

/** @throws KingletError JOB_LED_ELSEWHERE if the journal's driver lives */
export async function refuseIfLed(store: ObjectStore, state: JournalState, clock: Clock): Promise<void> {
  const leader = await livingLeader(store, state, clock);
  if (leader) throw ledElsewhere(state.id, `process ${leader.pid} on ${leader.host} is working on it`);
}

/** The lease of the journal's driver if that still lives. */
export async function livingLeader(store: ObjectStore, state: JournalState, clock: Clock) {
  const lease = state.header && (await readLease(store, state.header.driverId));
  return lease && leaseIsAlive(lease, clock) ? lease : undefined;
}

function ledElsewhere(journalId: string, why: string): KingletError {
  return new KingletError("JOB_LED_ELSEWHERE", `job ${journalId} can't be taken over: ${why}`, {
    remedy: `Wait for it (pool.attach("${journalId}") follows it), or end that process first.`,
    details: { jobId: journalId },
  });
}
