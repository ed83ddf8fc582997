import { hostname } from "node:os";
import { ENTRY_FAILED, ENTRY_VALUE, RunBuilder } from "../../src/job/entries.ts";
import { frameChunks } from "../../src/job/frames.ts";
import { createJournal, type Journal } from "../../src/job/journal.ts";
import { driverKey, functionKey, journalPrefix, workerLogName } from "../../src/job/keys.ts";
import { newLease, writeLease } from "../../src/job/lease.ts";
import type { ConsoleRecord, JobEndState, JobMeta } from "../../src/job/records.ts";
import type { ObjectStore } from "../../src/storage/contract.ts";

/** A hash as captured functions have it. */
export const hashOf = (letter: string): string => letter.repeat(64);

export interface WrittenJob {
  readonly number?: number;
  readonly meta?: Partial<JobMeta>;
  /** Tasks that were recorded, and how many of them have an outcome; `failed` of those are failures. */
  readonly drawn: number;
  readonly done?: number;
  readonly failed?: number;
  /** The input wasn't drawn to its end. */
  readonly incomplete?: boolean;
  readonly ended?: JobEndState;
  readonly lines?: readonly Partial<ConsoleRecord>[];
  /** What the items hold, as text. */
  readonly item?: string;
}

export interface WrittenJournal {
  readonly id: string;
  readonly jobs: readonly WrittenJob[];
  /** A process that holds the driver's lease; none: the driver is gone. */
  readonly livingPid?: number;
  /** A driver that died leaves its lease. */
  readonly deadLease?: boolean;
}

/** Writes a journal as a driver and its worker do; all of its outcomes are in one worker's log. */
export async function writeJournal(
  store: ObjectStore,
  { id, jobs, ...driver }: WrittenJournal,
): Promise<Journal> {
  const driverId = `driver-of-${id}`;
  const header = { format: 1, kinglet: "0.1.0", node: "v24.0.0", driverId, epoch: 0, createdMs: 0 } as const;
  if (driver.livingPid === process.pid)
    await writeLease(store, newLease(driverId, { nowMs: Date.now } as never));
  if (driver.deadLease) {
    const lease = { driverId, pid: 2 ** 22 + 1, host: hostname(), processKey: undefined, renewedMs: 0 };
    await store.put(driverKey(driverId), Buffer.from(JSON.stringify(lease)));
  }
  const journal = await createJournal({ store, id, header });
  const log = await store.openLog!(journalPrefix(id) + workerLogName("w1"));
  for (const job of jobs) await writeJob(journal, log, job);
  await log.close();
  await journal.close();
  return journal;
}

type Log = Awaited<ReturnType<NonNullable<ObjectStore["openLog"]>>>;

async function writeJob(journal: Journal, log: Log, job: WrittenJob): Promise<void> {
  const jobNumber = job.number ?? 0;
  const meta: JobMeta = {
    number: jobNumber,
    kind: jobNumber > 0 ? "run" : "map",
    functionHash: hashOf("a"),
    functionName: "resize",
    functionLocation: "script.ts:3:5",
    createdMs: Date.now(),
    script: "/somewhere/script.ts",
    options: {},
    ...job.meta,
  };
  if (!(await journal.store.exists(functionKey(meta.functionHash)))) {
    await journal.store.put(functionKey(meta.functionHash), Buffer.from("a function"));
  }
  await journal.append([{ type: "job", job: meta }]);
  if (job.drawn > 0)
    await journal.append([{ type: "inputs", run: runOf(jobNumber, job.drawn, 0, job.item ?? "item") }]);
  if (!job.incomplete) await journal.append([{ type: "input-complete", jobNumber, total: job.drawn }]);
  for (const [i, line] of (job.lines ?? []).entries()) {
    const console = { attempt: 1, index: i, stream: "stdout", text: `line ${i}`, atMs: i, ...line } as const;
    await journal.append([{ type: "console", jobNumber, ...console }]);
  }
  const count = job.done ?? 0;
  if (count > 0) {
    const failed = job.failed ?? 0;
    const chunks = frameChunks([runOf(jobNumber, count, failed, "outcome")]);
    const { key, offsetBytes } = await log.append(chunks);
    const name = key.slice(journal.prefix.length);
    const location = { log: name, offsetBytes, lengthBytes: Buffer.concat(chunks).length };
    await journal.append([{ type: "commit", jobNumber, first: 0, count, failed, location }]);
  }
  if (job.ended) await journal.append([{ type: "ended", jobNumber, state: job.ended }]);
}

function runOf(jobNumber: number, count: number, failed: number, text: string): Uint8Array {
  const run = new RunBuilder({ jobNumber, attempt: 1, first: 0 });
  for (let i = 0; i < count; i++) run.add(i < failed ? ENTRY_FAILED : ENTRY_VALUE, [Buffer.from(text)]);
  return Buffer.concat(run.finish());
}
