import { type BaseJob, dropGenerations, type Generation } from "../job/generations.ts";
import type { Journal } from "../job/journal.ts";
import type { JobMeta } from "../job/records.ts";
import type { JobInput } from "../scheduler/contract.ts";
import { RangeSet } from "../scheduler/range-set.ts";
import type { EncodedInput } from "./inputs.ts";
import type { JobCore } from "./job-core.ts";
import type { Segment } from "./outcomes.ts";

/** A generation ends when it holds about so much: the loop's pace decides how many of them there are at a time, mostly two. */
const GENERATION_BYTES = 32 * 1024 * 1024;
/** The loop is followed by so many tasks before anything is known of their sizes, and at least. */
const FIRST_WINDOW_TASKS = 256;
const LEAST_WINDOW_TASKS = 64;

export interface RetentionParts {
  readonly core: JobCore;
  readonly journal: Journal;
  readonly input: JobInput;
  readonly meta: JobMeta;
  readonly code?: string | undefined;
  /** Tasks whose outcomes an earlier driver got rid of. */
  readonly consumed?: number;
}

/** A generation that has ended, and what it knows anything of. */
interface EndedGeneration extends Generation {
  /** Tasks whose inputs were recorded by then. */
  readonly drawn: number;
  /** Tasks of which it holds anything: inputs that were stored ahead of being recorded, too. */
  readonly end: number;
}

/**
 * `retain: "consumed"`: while a loop goes over the results, what it has passed is deleted, a generation at a time (see
 * job/generations.ts). Awaiting the job, or passing it on as an input, ends that: its outcomes are wanted again.
 */
export class ConsumedRetention {
  readonly #parts: RetentionParts;
  readonly #passed = new RangeSet();
  readonly #ended: EndedGeneration[] = [];
  #current: Generation;
  #sinceBytes = 0;
  #working = false;
  /** Its journal can't be written, or is somebody else's. */
  #stopped = false;
  #failed = 0;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
    const { epoch, dataPrefix } = parts.journal;
    this.#current = { epoch, dataPrefix };
    this.#passed.add(0, parts.consumed ?? 0);
  }

  get dataPrefix(): string {
    return this.#parts.journal.dataPrefix;
  }

  /** The loop has handed out the outcomes of these tasks. */
  handedOut({ first, count, failed }: Segment): void {
    this.#passed.add(first, first + count);
    this.#failed += failed;
    if (this.#working || this.#stopped) return;
    this.#working = true;
    this.#work().then(
      () => {
        this.#working = false;
      },
      // A store in trouble ends the job by itself; what could not be deleted, `kinglet clean` finds.
      () => {
        this.#stopped = true;
      },
    );
  }

  async #work(): Promise<void> {
    const { core } = this.#parts;
    if (core.demand !== "stream") return;
    if (this.#bytes - this.#sinceBytes >= GENERATION_BYTES) await this.#roll();
    const [, passed = 0] = this.#passed.pairs();
    const gone = this.#ended.filter(({ end }) => end <= passed);
    if (gone.length === 0) return;
    this.#ended.splice(0, gone.length);
    const last = gone.at(-1)!;
    core.drop(last.end);
    const base = { epoch: this.#ended[0]?.epoch ?? this.#current.epoch, job: this.#baseJob(last) };
    await dropGenerations(core.reader.store, this.#parts.journal.id, base, gone);
  }

  async #roll(): Promise<void> {
    const { core, journal, input } = this.#parts;
    const bytes = this.#bytes;
    const drawn = await core.running?.rollJournal();
    if (drawn === undefined) {
      this.#stopped = true;
      return;
    }
    const end = Math.max(drawn, (input as Partial<EncodedInput>).storedEnd ?? 0);
    this.#ended.push({ ...this.#current, drawn, end });
    this.#current = { epoch: journal.epoch, dataPrefix: journal.dataPrefix };
    this.#sinceBytes = bytes;
  }

  /** How many tasks may be ahead of the loop, so that what they take is about a generation. */
  get windowTasks(): number {
    const { core, input } = this.#parts;
    const committed = core.table.committed - core.begin;
    if (committed === 0) return FIRST_WINDOW_TASKS;
    const { encodedBytes = 0, encodedTasks = 1 } = input as Partial<EncodedInput>;
    const bytesPerTask =
      core.outcomeBytes / committed +
      (core.reader.objectBytes ?? 0) / Math.max(1, core.consumed) +
      encodedBytes / Math.max(1, encodedTasks);
    return Math.max(LEAST_WINDOW_TASKS, Math.floor(GENERATION_BYTES / bytesPerTask));
  }

  /** What inputs and outcomes took so far. */
  get #bytes(): number {
    const { core, input } = this.#parts;
    return (
      core.outcomeBytes +
      (core.reader.objectBytes ?? 0) +
      ((input as Partial<EncodedInput>).encodedBytes ?? 0)
    );
  }

  #baseJob({ drawn, end }: EndedGeneration): BaseJob {
    const { meta, code, core } = this.#parts;
    const total = core.running?.counts.total;
    return {
      meta,
      ...(code === undefined ? {} : { code }),
      drawn,
      // Only where its record was written before the generation ended.
      ...(total !== undefined && drawn >= total ? { total } : {}),
      consumed: end,
      failed: this.#failed,
    };
  }
}
