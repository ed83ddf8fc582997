import { setTimeout as delay } from "node:timers/promises";
import { type Clock, systemClock } from "../clock.ts";
import { type DriverLease, leaseIsAlive, readLease } from "../job/lease.ts";
import type { ConsoleRecord } from "../job/records.ts";
import { harmless } from "../observe/text.ts";
import type { ObjectStore } from "../storage/contract.ts";
import { EXIT } from "./exit-codes.ts";
import { JournalFollower } from "./follower.ts";
import { findJobs } from "./journals.ts";
import { print, say } from "./output.ts";
import { checkJobId, openStoreOf, type StorageOption } from "./store.ts";

export interface LogsOptions extends StorageOption {
  /** Only lines of this task. */
  readonly task?: number;
  readonly follow?: boolean;
  /** One JSON object a line, text as it was printed. */
  readonly json?: boolean;
}

const POLL_MS = 250;

/** `kinglet logs <id>`: the console lines of a job's tasks, in the order in which the driver heard them. */
export async function logs(id: string, options: LogsOptions, clock: Clock = systemClock): Promise<number> {
  const store = await openStoreOf(id, options);
  const ref = checkJobId(id);
  await findJobs(store, id, clock);
  const wanted = (line: ConsoleRecord): boolean =>
    (ref.number === 0 || line.jobNumber === ref.number) &&
    (options.task === undefined || line.index === options.task);

  let shown = 0;
  const follower = new JournalFollower(store, ref.journalId, (record) => {
    if (record.type !== "console" || !wanted(record)) return;
    shown += 1;
    print(options.json ? JSON.stringify(lineFacts(record)) : lineText(record));
  });
  await follower.poll();
  while (options.follow && (await mayGrow(store, follower, ref.number, clock))) {
    await delay(POLL_MS);
    await follower.poll();
  }
  if (shown === 0 && !options.json)
    say(`No lines${options.task === undefined ? "" : ` of task ${options.task}`}.`);
  return EXIT.ok;
}

/** The same prefix as on the live terminal, without the job: that was asked for. */
function lineText({ index, text, jobNumber }: ConsoleRecord): string {
  const who = jobNumber > 0 ? `run ${jobNumber}` : index === undefined ? "worker" : `task ${index}`;
  return `[${who}] ${harmless(text)}`;
}

const lineFacts = ({ jobNumber, attempt, index, stream, text, atMs }: ConsoleRecord) => ({
  atMs,
  run: jobNumber > 0 ? jobNumber : undefined,
  task: index,
  attempt,
  stream,
  text,
});

/** Whether the driver lives, and has something left to do of what was asked for. */
async function mayGrow(
  store: ObjectStore,
  follower: JournalFollower,
  number: number,
  clock: Clock,
): Promise<boolean> {
  const jobs = [...follower.jobs.values()].filter(({ meta }) => number === 0 || meta.number === number);
  // Calls of `pool.run` share a journal, which is open as long as its driver is.
  const open = number === 0 && !follower.jobs.has(0) ? true : jobs.some(({ ended }) => !ended);
  if (!open || follower.driverId === undefined) return false;
  const lease: DriverLease | undefined = await readLease(store, follower.driverId);
  return lease !== undefined && leaseIsAlive(lease, clock);
}
