import { KingletError } from "../errors.ts";
import { entryIsOk, Run } from "../job/entries.ts";
import type { JobState, JournalState } from "../job/fold.ts";
import type { FrameLocation, Journal } from "../job/journal.ts";
import { readJournal } from "../job/journal-reader.ts";
import { readObjectFrames } from "../job/log-reader.ts";
import { decodeRecord } from "../job/records.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { AdoptedOutcomes, DrawnInputs, JobInput, SettledTasks } from "./contract.ts";
import { failureRun } from "./failures.ts";
import type { RangePairs } from "./range-set.ts";
import { RangeSet } from "./range-set.ts";

/** What a `JobSpec` needs to go on with a job where an earlier driver left it. */
export interface ResumeParts {
  /** The recorded inputs, read again from the journal as they are needed. */
  readonly input: JobInput;
  /** False: the dead driver had not drawn its input to the end. What it recorded will run, and then the job fails. */
  readonly inputComplete: boolean;
  readonly settled: SettledTasks;
  readonly adopted: readonly AdoptedOutcomes[];
}

/**
 * Reads what an earlier driver left of a job: its inputs, what was decided, and outcomes that workers wrote but
 * nobody committed (the driver died between the two); those are committed rather than computed again.
 *
 * @param journal the journal of the new epoch, which has claimed the job (job/takeover.ts)
 * @throws StoreError if the store can't be read
 */
export async function resumeParts(
  journal: Journal,
  state: JournalState,
  job: JobState,
): Promise<ResumeParts> {
  const decided = new RangeSet();
  decided.add(0, job.consumed);
  for (const { first, count } of job.committed) decided.add(first, first + count);
  const settled = { ranges: decided.pairs(), failedIndex: await firstFailure(journal, job) };
  const once = job.meta.options["idempotent"] === false;
  const adopted = await uncommittedOutcomes(journal, job, decided, once);
  if (once) adopted.push(...(await lostTasks(journal, state, job, decided)));
  const input = new RecordedInput(journal, job, settled.ranges);
  return { input, inputComplete: job.total !== undefined, settled, adopted };
}

/** The first failed outcome in time. */
async function firstFailure(journal: Journal, job: JobState): Promise<number | undefined> {
  const range = job.committed.find(({ failed }) => failed > 0);
  if (!range) return undefined;
  const { first, count, location, skipBytes } = range;
  const run = new Run((await journal.read(location)).subarray(skipBytes));
  for (let i = first; i < first + count; i++) if (!entryIsOk(run.kindOf(i))) return i;
  return undefined;
}

/**
 * Outcomes in the workers' logs that decide tasks which nothing has decided yet; `decided` grows by them. Failures
 * among them count only for tasks that mustn't run `once` more: all others get their retries anew.
 */
async function uncommittedOutcomes(
  journal: Journal,
  job: JobState,
  decided: RangeSet,
  once: boolean,
): Promise<AdoptedOutcomes[]> {
  const { store, prefix } = journal;
  const adopted: AdoptedOutcomes[] = [];
  // Each log, or each of its segments, by itself: a frame lies in one of them.
  for (const log of await workerLogs(store, prefix, job)) {
    await readObjectFrames(store, prefix + log, (frame) => {
      const view = new Run(frame.payload);
      if (view.jobNumber !== job.meta.number || decided.covers(view.first, view.end)) return;
      const run = new Run(Buffer.from(frame.payload)); // the frame's bytes are lent
      const location = { log, offsetBytes: frame.offsetBytes, lengthBytes: frame.lengthBytes };
      for (const [first, end] of usableRanges(run, once)) {
        const parts = decided.add(first, end);
        for (let i = 0; i < parts.length; i += 2) {
          adopted.push({ run, location, first: parts[i]!, count: parts[i + 1]! - parts[i]! });
        }
      }
    });
  }
  return adopted;
}

async function workerLogs(store: ObjectStore, prefix: string, job: JobState): Promise<string[]> {
  const logs: string[] = [];
  for await (const { key } of store.list(`${prefix}worker-`)) logs.push(key.slice(prefix.length));
  if (job.meta.options["retain"] !== "consumed") return logs;
  for await (const { key } of store.list(`${prefix}g`)) {
    const name = key.slice(prefix.length);
    if (GENERATION_LOG.test(name)) logs.push(name);
  }
  return logs;
}

const GENERATION_LOG = /^g\d+\/worker-/;

function usableRanges(run: Run, failuresToo: boolean): [number, number][] {
  if (run.allOk || failuresToo) return [[run.first, run.end]];
  const ranges: [number, number][] = [];
  for (let first = run.first; first < run.end; first++) {
    let end = first;
    while (end < run.end && entryIsOk(run.kindOf(end))) end += 1;
    if (end > first) ranges.push([first, end]);
    first = end;
  }
  return ranges;
}

/** `idempotent: false`: tasks that had started and left no outcome can't be started again, so they are lost. */
async function lostTasks(
  journal: Journal,
  state: JournalState,
  job: JobState,
  decided: RangeSet,
): Promise<AdoptedOutcomes[]> {
  const lost: AdoptedOutcomes[] = [];
  const { number } = job.meta;
  await readJournal(journal.store, state.id, (record) => {
    if (record.type !== "event" || record.jobNumber !== number || record.event.kind !== "starting") return;
    const first = record.event["first"] as number;
    const parts = decided.add(first, first + (record.event["count"] as number));
    for (let i = 0; i < parts.length; i += 2) {
      const count = parts[i + 1]! - parts[i]!;
      const evidence = "its driver ended while it ran";
      lost.push({
        run: failureRun(number, parts[i]!, count, "lost", evidence, 1),
        location: undefined,
        first: parts[i]!,
        count,
      });
    }
  });
  return lost;
}

function inputIncomplete(job: JobState): KingletError {
  const drawn = job.drawn.toLocaleString("en");
  return new KingletError(
    "INPUT_INCOMPLETE",
    `job ${job.id}: all ${drawn} recorded items are done, but its program died before it had drawn all of its items`,
    {
      remedy:
        "Run the script again with option name to go on from here; or read these results by iterating the job.",
      details: { jobId: job.id, drawn: job.drawn },
    },
  );
}

/** The inputs that an earlier driver recorded, frame by frame. */
class RecordedInput implements JobInput {
  readonly knownLength: number;
  readonly #journal: Journal;
  readonly #job: JobState;
  readonly #settled = new RangeSet();
  /** Tasks whose records are gone (`retain: "consumed"`), until they are drawn. */
  #gone: number;
  #next = 0;

  constructor(journal: Journal, job: JobState, settled: RangePairs) {
    this.#journal = journal;
    this.#job = job;
    this.knownLength = job.drawn;
    this.#gone = job.inputs[0]?.first ?? job.drawn;
    for (let i = 0; i < settled.length; i += 2) this.#settled.add(settled[i]!, settled[i + 1]!);
  }

  draw(): MaybePromise<DrawnInputs> {
    const { inputs, total } = this.#job;
    if (this.#gone > 0) {
      const count = this.#gone;
      this.#gone = 0;
      return { count, done: false };
    }
    const recorded = inputs[this.#next];
    if (!recorded)
      return {
        count: 0,
        done: true,
        ...(total === undefined ? { missing: inputIncomplete(this.#job) } : {}),
      };
    this.#next += 1;
    const { first, count, location } = recorded;
    const done = total !== undefined && this.#next === inputs.length;
    // Nobody needs the inputs of tasks that are all settled.
    if (this.#settled.covers(first, first + count)) return { count, done, recorded: location };
    return this.#read(location).then((run) => ({ run, count, done, recorded: location }));
  }

  async #read(location: FrameLocation): Promise<Uint8Array> {
    const record = decodeRecord(await this.#journal.read(location));
    if (record?.type !== "inputs")
      throw new RangeError(`no inputs at byte ${location.offsetBytes} of ${location.log}`);
    return record.run;
  }
}
