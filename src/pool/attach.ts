import { KingletError, UsageError } from "../errors.ts";
import { entryIsOk } from "../job/entries.ts";
import type { JobState, JournalState } from "../job/fold.ts";
import type { Journal } from "../job/journal.ts";
import { JournalReader, readJournal } from "../job/journal-reader.ts";
import { functionKey, type JobRef, journalPrefix, parseJobId } from "../job/keys.ts";
import type { DriverLease } from "../job/lease.ts";
import { livingLeader, takeOver } from "../job/takeover.ts";
import type { CallOptions } from "../options.ts";
import { resumeParts } from "../scheduler/resume.ts";
import type { PoolJobCode } from "./job-code.ts";
import { JobCore, type JobEnding } from "./job-handle.ts";
import { cancelled, endJob, jobSpec } from "./job-spec.ts";
import { ConsumedRetention } from "./retention.ts";
import type { Session } from "./session.ts";

/** How often the journal of a job that another process leads is looked at. */
const FOLLOW_MS = 250;
/** Where each look is three requests. */
const FOLLOW_REMOTE_MS = 1000;

/**
 * A job that is in the store: of an earlier run, of another process, or of this one.
 * What can only be known by reading the store (no such job, …) ends the job with that error.
 * @throws UsageError BAD_ARGUMENT at once if `id` is no job's id
 */
export function attachJob(session: Session, id: string): JobCore {
  const open = session.jobs.get(id);
  if (open) return open;
  const ref = typeof id === "string" ? parseJobId(id) : undefined;
  if (!ref) {
    throw new UsageError("BAD_ARGUMENT", `attach: ${JSON.stringify(id)} is no job's id`, {
      remedy: "Ids look like 261121-035312-k3f9x2ab; list them with: kinglet jobs",
    });
  }
  const reader = { codec: session.codec, store: session.store, jobId: id };
  const core = new JobCore(id, "map", reader, journalPrefix(ref.journalId));
  session.enter(core);
  const attachment = new Attachment(session, core, ref);
  core.onCancel = (reason) => attachment.cancel(reason);
  attachment.begin().catch((error) => endJob(session, core, { status: "failed", error }));
  return core;
}

class Attachment {
  readonly #session: Session;
  readonly #core: JobCore;
  readonly #ref: JobRef;
  #cancelled: string | undefined;
  /** How many committed ranges the core knows. */
  #shown = 0;

  constructor(session: Session, core: JobCore, ref: JobRef) {
    this.#session = session;
    this.#core = core;
    this.#ref = ref;
  }

  cancel(reason: string): void {
    this.#cancelled ??= reason;
    this.#core.running?.cancel(reason);
  }

  async begin(): Promise<void> {
    const { store, clock, requestsCost } = this.#session;
    const followMs = requestsCost ? FOLLOW_REMOTE_MS : FOLLOW_MS;
    const reader = new JournalReader(store, this.#ref.journalId);
    const led = this.#session.ledJournals.get(this.#ref.journalId);
    if (led) return this.#goOn(led, await readJournal(store, this.#ref.journalId));
    for (;;) {
      const state = await this.#read(reader);
      const job = this.#jobOf(state);
      const over = job.ended !== undefined || isComplete(job);
      if (over) {
        this.#show(job);
        return this.#finish(job);
      }
      const leader = await livingLeader(store, state, clock);
      if (!leader) return this.#takeOver();
      if (leader.driverId === this.#session.driverId) throw ledHere(this.#core.id);
      if (this.#cancelled !== undefined) throw ledByOther(this.#core.id, leader);
      // Until the seal is written, the tail of the old log may turn out not to count.
      if (!state.unsealed) this.#show(job);
      await new Promise<void>((resolve) => clock.after(followMs, resolve));
      if (this.#session.closing) throw cancelled(this.#core.id, "the pool was closed");
    }
  }

  async #read(reader: JournalReader): Promise<JournalState> {
    try {
      return await reader.read();
    } catch (error) {
      if ((error as KingletError).code !== "NOT_FOUND") throw error;
      throw jobNotFound(this.#core.id, this.#session.store.description);
    }
  }

  #jobOf(state: JournalState): JobState {
    const job = state.jobs.get(this.#ref.number);
    if (!job) throw jobNotFound(this.#core.id, this.#session.store.description);
    this.#core.kind = job.meta.kind;
    this.#core.total = job.total ?? (job.meta.kind === "run" ? 1 : undefined);
    return job;
  }

  /** Tells the core of committed ranges that it doesn't know yet: they are only ever added to. */
  #show(job: JobState): void {
    const core = this.#core;
    if (job.consumed > core.dropped) {
      // Its journal was read anew from there on.
      if (core.dropped === 0 && this.#shown === 0) core.begin = job.consumed;
      core.drop(job.consumed);
      this.#shown = 0;
    }
    for (const range of job.committed.slice(this.#shown)) {
      if (!core.table.startingAt(range.first)) core.committedEarlier(range);
    }
    this.#shown = job.committed.length;
  }

  async #finish(job: JobState): Promise<void> {
    endJob(this.#session, this.#core, await this.#endingOf(job));
  }

  async #endingOf(job: JobState): Promise<JobEnding> {
    const { state, reason } = job.ended ?? { state: "done", reason: undefined };
    if (state === "cancelled")
      return { status: "cancelled", error: cancelled(job.id, reason ?? "by its program") };
    if (job.meta.kind !== "mapSettled" && job.failedCount > 0) {
      const failedIndex = await this.#firstFailure(job);
      if (failedIndex !== undefined) return { status: "failed", failedIndex };
    }
    if (state === "done" && isComplete(job)) return { status: "done" };
    return { status: "failed", error: endedBadly(job.id, reason) };
  }

  /** The failure that ended the job: the first one in time. */
  async #firstFailure(job: JobState): Promise<number | undefined> {
    for (const range of job.committed) {
      if (range.failed === 0) continue;
      const segment = this.#core.table.startingAt(range.first);
      if (!segment) continue;
      const run = await this.#core.table.load(segment);
      for (let i = range.first; i < range.first + range.count; i++) if (!entryIsOk(run.kindOf(i))) return i;
    }
    return undefined;
  }

  /** Its driver is gone: this one leads from here on. */
  async #takeOver(): Promise<void> {
    const session = this.#session;
    await session.ready();
    const taken = await takeOver(session.store, this.#ref.journalId, session.identity, session.clock, {
      sync: session.sync,
    });
    session.adopt(taken.journal);
    await this.#goOn(taken, taken.state);
  }

  async #goOn(led: { readonly journal: Journal }, state: JournalState): Promise<void> {
    const session = this.#session;
    const core = this.#core;
    const job = this.#jobOf(state);
    this.#show(job);
    if (job.ended !== undefined || isComplete(job)) return this.#finish(job);
    const parts = await resumeParts(led.journal, state, job);
    const options = job.meta.options as CallOptions;
    const { input, settled, adopted } = parts;
    core.code = await this.#codeOf(job);
    await core.code?.ready();
    const spec = jobSpec({
      session,
      core,
      ref: this.#ref,
      journal: led.journal,
      call: { kind: job.meta.kind, options, depth: 0 },
      functionHash: job.meta.functionHash,
      code: core.code?.reference,
      input,
      settled,
      adopted,
    });
    if (options.retain === "consumed") {
      const { meta, code, consumed } = job;
      core.retention = new ConsumedRetention({ core, journal: led.journal, input, meta, code, consumed });
    }
    core.running = session.scheduler.submit(spec);
    if (this.#cancelled !== undefined) core.running.cancel(this.#cancelled);
  }

  /** What was packaged for the job; of one that ran on its driver's machine it is made now, from the files of this one. */
  async #codeOf({ code, meta }: JobState): Promise<PoolJobCode | undefined> {
    const { store, code: packages } = this.#session;
    if (!packages) return undefined;
    if (code !== undefined) return packages.stored(code);
    return packages.forFunction(await store.get(functionKey(meta.functionHash)), {}, undefined);
  }
}

const isComplete = (job: JobState): boolean => job.total !== undefined && job.committedCount >= job.total;

const jobNotFound = (id: string, where: string): KingletError =>
  new KingletError("JOB_NOT_FOUND", `there is no job ${id} in ${where}`, {
    remedy: "List the jobs with: kinglet jobs; another store: openPool({ storage }) or KINGLET_STORAGE.",
    details: { jobId: id },
  });

const ledHere = (id: string): KingletError =>
  new KingletError("JOB_LED_ELSEWHERE", `job ${id} is being led by another pool of this process`, {
    remedy: "Attach to it from the pool that made it.",
    details: { jobId: id },
  });

const ledByOther = (id: string, leader: DriverLease): KingletError =>
  new KingletError(
    "JOB_LED_ELSEWHERE",
    `job ${id} can't be cancelled from here: process ${leader.pid} leads it`,
    {
      remedy: `Cancel it with: kinglet cancel ${id}`,
      details: { jobId: id },
    },
  );

const endedBadly = (id: string, reason: string | undefined): KingletError =>
  new KingletError("LOST", `job ${id} ended without all of its outcomes${reason ? `: ${reason}` : ""}`, {
    remedy: "Run the script again.",
    details: { jobId: id },
  });
