import type { Clock } from "../clock.ts";
import type { JobState, JournalState } from "../job/fold.ts";
import { readJournal } from "../job/journal-reader.ts";
import { JOURNALS } from "../job/keys.ts";
import type { DriverLease } from "../job/lease.ts";
import type { JobEndState } from "../job/records.ts";
import { livingLeader } from "../job/takeover.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";
import { checkJobId, jobNotFound } from "./store.ts";

/** `interrupted`: not ended, and its driver is gone; `kinglet resume` goes on with it. */
export type JobCondition = "running" | "interrupted" | JobEndState;

export interface JobSummary {
  readonly id: string;
  readonly journalId: string;
  readonly condition: JobCondition;
  readonly job: JobState;
  /** The driver, where it lives. */
  readonly leader: DriverLease | undefined;
}

/** Ids of the store's journals, oldest first. Skips from one to the next: they may hold many objects. */
export async function* journalIds(store: ObjectStore): AsyncGenerator<string, void, undefined> {
  for (let after: string | undefined; ; ) {
    let id: string | undefined;
    for await (const { key } of store.list(JOURNALS, after === undefined ? {} : { after })) {
      id = key.slice(JOURNALS.length).split("/", 1)[0]!;
      break;
    }
    if (id === undefined) return;
    yield id;
    // "0" follows "/" in the order of keys.
    after = `${JOURNALS}${id}0`;
  }
}

/** The journal, or undefined where its driver never came to write its first record. */
export async function readJournalIfAny(store: ObjectStore, id: string): Promise<JournalState | undefined> {
  try {
    return await readJournal(store, id);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

export async function summariesOf(
  store: ObjectStore,
  state: JournalState,
  clock: Clock,
): Promise<JobSummary[]> {
  const leader = await livingLeader(store, state, clock);
  return [...state.jobs.values()].map((job) => ({
    id: job.id,
    journalId: state.id,
    condition: job.ended?.state ?? (leader ? "running" : "interrupted"),
    job,
    leader,
  }));
}

/**
 * The jobs that an id means: one, or all calls of `pool.run` that share a journal.
 * @throws KingletError JOB_NOT_FOUND
 */
export async function findJobs(store: ObjectStore, id: string, clock: Clock): Promise<JobSummary[]> {
  const ref = checkJobId(id);
  const state = await readJournalIfAny(store, ref.journalId);
  const all = state ? await summariesOf(store, state, clock) : [];
  const found = ref.number > 0 ? all.filter(({ job }) => job.meta.number === ref.number) : all;
  if (found.length === 0) throw jobNotFound(id, `${store.description} holds none of that id`);
  return found;
}

/** All jobs of the store, oldest first. */
export async function allJobs(store: ObjectStore, clock: Clock): Promise<JobSummary[]> {
  const found: JobSummary[] = [];
  for await (const id of journalIds(store)) {
    const state = await readJournalIfAny(store, id);
    if (state) found.push(...(await summariesOf(store, state, clock)));
  }
  return found;
}
