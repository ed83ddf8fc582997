import type { CallOptions, Job, MapItems, Pool } from "../index.ts";
import type { Snapshot } from "./bsp-checkpoints.ts";
import type { BspSpec, FirstPart, Part, PartitionInput, Shared } from "./bsp-spec.ts";
import { loadItems, placePartition, stepPartition } from "./bsp-tasks.ts";
import { groupsOf, isJob, keeping } from "./shuffle.ts";
import type { Lost } from "./shuffle-spec.ts";
import type { StoredRun } from "./shuffle-tasks.ts";
import { overRuns, type Stage } from "./stage.ts";
import { aggregated } from "./vertex.ts";

/** Older objects than those of the last superstep are lost, and what they were made of is gone. */
export class LostForGood extends Error {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    super(`lost: ${names.join(", ")}`);
    this.names = names;
  }
}

interface Calls {
  /** Outcomes of tasks of this name are reused. */
  readonly name: string | undefined;
  readonly stage: CallOptions;
}

/** The jobs of a computation: load, place, and superstep by superstep. What one finds lost is made again. */
export class Supersteps {
  readonly #pool: Pool;
  readonly #spec: BspSpec;
  #calls: Calls;
  #loaded: Stage<StoredRun> = { runs: [], remade: 0, remake: async () => {} };
  #isLoadedAgain = false;
  /** Objects that were made again. */
  remade = 0;

  constructor(pool: Pool, spec: BspSpec, calls: Calls) {
    this.#pool = pool;
    this.#spec = spec;
    this.#calls = calls;
  }

  /** The vertices of all items, as runs by partition. @returns their names */
  async load(inputs: unknown, itemsPerTask: number | undefined): Promise<string[]> {
    const spec = this.#spec;
    const loadAll = (items: MapItems<unknown[]>, call: CallOptions) =>
      this.#pool.map((group: unknown[], ctx) => loadItems(spec, group, ctx), items, call);
    // Items of a job are known to its own tasks alone, one by one: all are loaded again.
    const loadJob = (job: MapItems<unknown>, call: CallOptions) =>
      this.#pool.map((item: unknown, ctx) => loadItems(spec, [item], ctx), job, call);
    const kept: unknown[][] = [];
    const fromJob = isJob(inputs);
    const first = this.#call("load");
    const runs = await (fromJob
      ? loadJob(inputs, first)
      : loadAll(keeping(groupsOf(inputs, itemsPerTask), kept), first));
    const remake = async (lost: readonly number[]) => {
      const { stage } = this.#calls;
      const again = await (fromJob
        ? loadJob(inputs, stage)
        : loadAll(
            lost.map((run) => kept[run]!),
            stage,
          ));
      for (const [i, run] of lost.entries()) runs[run] = again[fromJob ? run : i]!;
    };
    this.#loaded = { runs, remake, remade: 0 };
    return runs.map(({ name }) => name);
  }

  /** Before superstep 0: the vertices that were loaded, each in its partition. */
  async begin(loaded: readonly string[]): Promise<Snapshot> {
    const { partitions, aggregators } = this.#spec;
    const first = await this.#place([...new Array(partitions).keys()], this.#call("place"));
    const aggregates = aggregated(aggregators, []);
    return { superstep: 0, loaded, first, latest: [...first], sent: [], aggregates };
  }

  /** As `begin`, with no outcome of before. */
  async beginAgain(loaded: readonly string[]): Promise<Snapshot> {
    await this.#loaded.remake([...this.#loaded.runs.keys()]);
    this.#calls = { ...this.#calls, name: undefined };
    return this.begin(loaded);
  }

  #place(partitions: readonly number[], call: CallOptions): Promise<FirstPart[]> {
    const spec = this.#spec;
    const loaded = this.#loaded;
    return overRuns(loaded, partitions, (tasks) => {
      const names = this.#pool.broadcast(loaded.runs.map(({ name }) => name));
      const inputs = tasks.map((partition) => ({ partition, reads: readsOf(loaded.runs, partition) }));
      return this.#pool.map((input, ctx) => placePartition(spec, input, names.value, ctx), inputs, call);
    });
  }

  /** The next superstep of some partitions. @param before the snapshot before `now`, to make objects of `now` again */
  run(now: Snapshot, before: Snapshot | undefined, partitions: readonly number[]): Promise<Part[]> {
    return this.#run(now, before, partitions, this.#call(`superstep ${now.superstep}`));
  }

  #run(
    now: Snapshot,
    before: Snapshot | undefined,
    partitions: readonly number[],
    call: CallOptions,
  ): Promise<Part[]> {
    const spec = this.#spec;
    return this.over(now, before, partitions, (inputs) =>
      this.#pool.map((input, ctx) => stepPartition(spec, input, ctx), inputs, call),
    );
  }

  /** Results of tasks over partitions as they are in `now`. */
  over<R extends object>(
    now: Snapshot,
    before: Snapshot | undefined,
    partitions: readonly number[],
    start: (inputs: PartitionInput[]) => Job<R | Lost>,
  ): Promise<R[]> {
    const stage: Stage<{ name: string }> = {
      runs: [...now.first, ...now.latest, ...now.sent],
      remake: (lost) => this.#remake(now, before, lost),
      remade: 0,
    };
    return overRuns(stage, partitions, (tasks) => start(this.#inputsOf(now, tasks)));
  }

  /** Objects are numbered: first parts, those with the states, those with messages. */
  #inputsOf(now: Snapshot, partitions: readonly number[]): PartitionInput[] {
    const { first, latest, sent, superstep, aggregates } = now;
    const names = [...first, ...latest, ...sent].map(({ name }) => name);
    const count = latest.reduce((sum, { vertices }) => sum + vertices, 0);
    const shared = this.#pool.broadcast<Shared>({ superstep, names, aggregates, count });
    return partitions.map((partition) => {
      const { edges } = first[partition]!;
      const { states, halted, vertices, active } = latest[partition]!;
      return {
        ...{ partition, partitions: first.length, edges, states, halted, vertices, active, shared },
        reads: readsOf(sent, partition, 2 * first.length),
      };
    });
  }

  /** Makes objects of `now` again: those of the start from the items, those of the last superstep by it. */
  async #remake(now: Snapshot, before: Snapshot | undefined, lost: readonly number[]): Promise<void> {
    const { first, latest, sent } = now;
    const parts = new Set(lost.map((i) => [...first, ...latest, ...sent][i]!));
    const atStart = [...parts].filter(({ superstep }) => superstep < 0);
    const ofLast = [...parts].filter(({ superstep }) => superstep >= 0);
    const forGood = ofLast.filter(({ superstep }) => !before || superstep < now.superstep - 1);
    if (forGood.length > 0) throw new LostForGood(forGood.map(({ name }) => name));
    this.remade += parts.size;
    if (atStart.length > 0) {
      // What was loaded is gone since then, all of it.
      if (!this.#isLoadedAgain) await this.#loaded.remake([...this.#loaded.runs.keys()]);
      this.#isLoadedAgain = true;
      const again = await this.#place(partitionsOf(atStart), this.#calls.stage);
      for (const snapshot of before ? [now, before] : [now]) replace(snapshot, again);
    }
    if (ofLast.length > 0) {
      const again = await this.#run(before!, undefined, partitionsOf(ofLast), this.#calls.stage);
      for (const part of again) {
        latest[part.partition] = part;
        sent[sent.findIndex(({ partition }) => partition === part.partition)] = part;
      }
    }
  }

  #call(what: string): CallOptions {
    const { name, stage } = this.#calls;
    return name === undefined ? stage : { ...stage, name: `${name} ${what}` };
  }
}

function replace({ first, latest }: Snapshot, again: readonly FirstPart[]): void {
  for (const part of again) {
    if (latest[part.partition]!.superstep < 0) latest[part.partition] = part;
    first[part.partition] = part;
  }
}

const partitionsOf = (parts: readonly Part[]): number[] => [
  ...new Set(parts.map(({ partition }) => partition)),
];

/** Where a partition's pairs are in each of some runs: `number of the object, offset, length`. */
function readsOf(
  runs: readonly { readonly offsets: Float64Array }[],
  partition: number,
  firstNumber = 0,
): Float64Array {
  const reads: number[] = [];
  for (const [i, { offsets }] of runs.entries()) {
    const length = offsets[partition + 1]! - offsets[partition]!;
    if (length > 0) reads.push(firstNumber + i, offsets[partition]!, length);
  }
  return Float64Array.from(reads);
}
