import type { ObjectStore } from "../storage/contract.ts";
import { isNotFound } from "../storage/failures.ts";
import { BASE_NAME, driverLogName, journalPrefix } from "./keys.ts";
import type { JobMeta } from "./records.ts";

/**
 * A job with `retain: "consumed"` gets rid of what its reader has passed. Its journal is a row of *generations*: from
 * time to time the driver claims the next epoch from itself, and from then on records, worker logs and big objects go
 * to other places. Once the reader has passed all tasks that an old generation knows anything of, the *base* is written,
 * and then that generation is deleted as a whole (FORMAT.md, "Generations").
 */
export interface JournalBase {
  /** The first epoch whose log is still there; readers begin with it. */
  readonly epoch: number;
  readonly job: BaseJob;
}

/** What the deleted logs said of the journal's job. */
export interface BaseJob {
  readonly meta: JobMeta;
  readonly code?: string;
  /** Tasks whose inputs they recorded. */
  readonly drawn: number;
  /** Number of tasks, where they said so. */
  readonly total?: number;
  /** Tasks below it had their outcome, which was handed out and is gone. */
  readonly consumed: number;
  /** How many of these outcomes were failures. */
  readonly failed: number;
}

/** The journal's base, or undefined where nothing was deleted. */
export async function readBase(store: ObjectStore, journalId: string): Promise<JournalBase | undefined> {
  try {
    const bytes = await store.get(journalPrefix(journalId) + BASE_NAME);
    return JSON.parse(Buffer.from(bytes).toString()) as JournalBase;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** A generation: the driver log of one epoch, and the folder of its worker logs and objects. */
export interface Generation {
  readonly epoch: number;
  readonly dataPrefix: string;
}

/** Writes what is left of the generations before `base.epoch`, then deletes `gone`. */
export async function dropGenerations(
  store: ObjectStore,
  journalId: string,
  base: JournalBase,
  gone: readonly Generation[],
): Promise<void> {
  const prefix = journalPrefix(journalId);
  await store.put(prefix + BASE_NAME, Buffer.from(JSON.stringify(base)));
  const keys: string[] = [];
  for (const { epoch, dataPrefix } of gone) {
    const log = prefix + driverLogName(epoch);
    for await (const { key } of store.list(log)) if (isOfLog(key, log)) keys.push(key);
    for await (const { key } of store.list(dataPrefix)) {
      if (dataPrefix !== prefix || isOldest(key.slice(prefix.length))) keys.push(key);
    }
  }
  await store.delete(keys);
}

/** The log itself or a segment of it. */
const isOfLog = (key: string, log: string): boolean => key === log || key.startsWith(`${log}.`);

/** The oldest generation has no folder of its own. Claims and requests to cancel stay: others look for them. */
const isOldest = (name: string): boolean => name.startsWith("worker-") || name.startsWith("objects/");
