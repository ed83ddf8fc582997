import { createHash } from "node:crypto";
import { ENTRY_OBJECT, type Entry, entryIsOk, Run, RunBuilder } from "../job/entries.ts";
import type { CommittedRange, JobState } from "../job/fold.ts";
import { readJournal } from "../job/journal-reader.ts";
import { journalPrefix, NAMES } from "../job/keys.ts";
import { readFrame } from "../job/log-reader.ts";
import type { DrawnInputs, JobInput } from "../scheduler/contract.ts";
import type { MaybePromise, ObjectStore } from "../storage/contract.ts";
import type { Call } from "./job-spec.ts";
import type { Session } from "./session.ts";

/**
 * Jobs with a name: run the script again and it goes on. Outcomes of earlier jobs of the same name and function are
 * taken over for equal items, by the hash of an item's bytes; only the rest runs.
 */
export interface NamedOutcomes {
  /** Journals whose objects this job may refer to. */
  readonly journalIds: readonly string[];
  /** The stored outcome of an item's input entry, if there is one. */
  find(input: Entry): StoredOutcome | undefined;
}

export interface StoredOutcome {
  readonly prefix: string;
  readonly range: CommittedRange;
  readonly index: number;
}

const nameKey = (call: Call): string => {
  const name = call.options.name!;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 12);
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40);
  return `${NAMES}${slug}-${digest}/${call.captured.identity().slice(0, 16)}/`;
};

/** Begins to look for outcomes of earlier jobs with the call's name. */
export function continueNamed(session: Session, call: Call): Promise<NamedOutcomes> {
  const found = loadNamed(session.store, nameKey(call));
  found.catch(() => {}); // it is awaited at the first draw
  return found;
}

/** Makes the job findable by its name. */
export async function registerName(session: Session, call: Call, journalId: string): Promise<void> {
  await session.store.put(nameKey(call) + journalId, new Uint8Array(0));
}

async function loadNamed(store: ObjectStore, prefix: string): Promise<NamedOutcomes> {
  const journalIds: string[] = [];
  for await (const object of store.list(prefix)) journalIds.push(object.key.slice(prefix.length));
  const byItem = new Map<string, StoredOutcome>();
  const used: string[] = [];
  for (const journalId of journalIds) {
    // A job that was cleaned leaves its name behind, at worst.
    const state = await readJournal(store, journalId).catch(() => undefined);
    const job = state?.jobs.get(0);
    if (!job || job.committedCount === 0) continue;
    used.push(journalId);
    await indexJob(store, journalId, job, byItem);
  }
  return { journalIds: used, find: (input) => byItem.get(itemHash(input)) };
}

async function indexJob(
  store: ObjectStore,
  journalId: string,
  job: JobState,
  byItem: Map<string, StoredOutcome>,
): Promise<void> {
  const prefix = journalPrefix(journalId);
  const rangeOf = new Map<number, CommittedRange>();
  for (const range of job.committed) {
    // A failure isn't taken over: the script is run again so that it goes better this time.
    const run = range.failed > 0 ? await loadRun(store, prefix, range) : undefined;
    for (let i = range.first; i < range.first + range.count; i++) {
      if (!run || entryIsOk(run.kindOf(i))) rangeOf.set(i, range);
    }
  }
  for (const inputs of job.inputs) {
    const { log, offsetBytes, lengthBytes } = inputs.location;
    const run = new Run((await readFrame(store, prefix + log, offsetBytes, lengthBytes)).subarray(1));
    for (let index = run.first; index < run.end; index++) {
      const range = rangeOf.get(index);
      if (range) byItem.set(itemHash(run.entry(index)), { prefix, range, index });
    }
  }
}

async function loadRun(store: ObjectStore, prefix: string, range: CommittedRange): Promise<Run> {
  const { log, offsetBytes, lengthBytes } = range.location;
  const payload = await readFrame(store, prefix + log, offsetBytes, lengthBytes);
  return new Run(payload.subarray(range.skipBytes));
}

/** Equal items have equal bytes; a big one is an object whose name ends with the hash of its content. */
function itemHash({ kind, body }: Entry): string {
  const content = kind === ENTRY_OBJECT ? Buffer.from(body).toString().replace(/^.*\//, "") : body;
  return createHash("sha256").update(Uint8Array.of(kind)).update(content).digest("base64");
}

/** An input some of whose tasks have an outcome already. */
export class ContinuedInput implements JobInput {
  readonly #inner: JobInput;
  readonly #store: ObjectStore;
  readonly #named: Promise<NamedOutcomes>;
  #parts: DrawnInputs[] = [];

  constructor(inner: JobInput, store: ObjectStore, named: Promise<NamedOutcomes>) {
    this.#inner = inner;
    this.#store = store;
    this.#named = named;
  }

  get knownLength(): number | undefined {
    return this.#inner.knownLength;
  }

  close(): void {
    this.#inner.close?.();
  }

  draw(maxTasks: number, maxBytes: number): MaybePromise<DrawnInputs> {
    const part = this.#parts.shift();
    if (part) return part;
    return this.#drawAndSplit(maxTasks, maxBytes);
  }

  async #drawAndSplit(maxTasks: number, maxBytes: number): Promise<DrawnInputs> {
    const named = await this.#named;
    const drawn = await this.#inner.draw(maxTasks, maxBytes);
    if (!drawn.run) return drawn;
    const run = new Run(drawn.run);
    const known: (StoredOutcome | undefined)[] = [];
    for (let i = run.first; i < run.end; i++) known.push(named.find(run.entry(i)));
    for (let from = 0; from < known.length; ) {
      let to = from + 1;
      while (to < known.length && (known[to] === undefined) === (known[from] === undefined)) to += 1;
      const done = drawn.done && to === known.length;
      this.#parts.push(await this.#part(run, from, known.slice(from, to), done, drawn.code));
      from = to;
    }
    return this.#parts.shift()!;
  }

  async #part(
    run: Run,
    from: number,
    known: readonly (StoredOutcome | undefined)[],
    done: boolean,
    code: string | undefined,
  ): Promise<DrawnInputs> {
    const first = run.first + from;
    const inputs = {
      run: Buffer.concat(run.slice(first, known.length)),
      count: known.length,
      done,
      ...(code === undefined ? {} : { code }),
    };
    if (known[0] === undefined) return inputs;
    const outcomes = new RunBuilder({ jobNumber: run.jobNumber, attempt: 0, first });
    for (const outcome of known) {
      const entry = await this.#read(outcome!);
      outcomes.add(entry.kind, [entry.body]);
    }
    return { ...inputs, known: Buffer.concat(outcomes.finish()) };
  }

  #lastRun: { key: string; run: Run } | undefined;

  async #read({ prefix, range, index }: StoredOutcome): Promise<Entry> {
    const key = `${prefix}${range.location.log}:${range.location.offsetBytes}`;
    if (this.#lastRun?.key !== key) this.#lastRun = { key, run: await loadRun(this.#store, prefix, range) };
    return this.#lastRun.run.entry(index);
  }
}
