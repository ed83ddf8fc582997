import { type CallOptions, type MapItems, type Pool, PoolFile, PoolSlice } from "../index.ts";
import { Dataset } from "./dataset.ts";
import { isDatasetPart } from "./dataset-part.ts";
import { cutKeys, rangeOf } from "./partitioner.ts";
import { planOf, type ShufflePlan, shufflePlan } from "./plan.ts";
import type { MapSpec, MergeInput, ReduceSpec } from "./shuffle-spec.ts";
import { mapItems, mergeRuns, type Reduced, reducePartition, type StoredRun } from "./shuffle-tasks.ts";
import { clean, overRuns, type Stage } from "./stage.ts";

/** What a shuffle did. */
export interface ShuffleReport {
  readonly plan: ShufflePlan;
  readonly mappers: number;
  readonly partitions: number;
  /** Pairs that crossed the shuffle, after combining. */
  readonly pairs: number;
  /** Their bytes before and after compression. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Intermediate objects that were written, and range reads, those of lost and repeated tasks left out. */
  readonly puts: number;
  readonly gets: number;
  /** Runs that were missing or damaged, and were made again. */
  readonly remade: number;
}

export interface ShuffleCall {
  readonly mapSpec: MapSpec;
  readonly reduceSpec: ReduceSpec;
  readonly itemsPerTask: number | undefined;
  readonly levels: 1 | 2 | undefined;
  readonly stage: CallOptions;
}

/** Maps, shuffles and reduces; leaves no intermediate object behind. */
export async function runShuffle(
  pool: Pool,
  inputs: unknown,
  call: ShuffleCall,
): Promise<{ reduced: Reduced[]; report: ShuffleReport }> {
  const shuffle = new Shuffle(pool, call);
  try {
    const mapped = await shuffle.map(inputs);
    const stored = mapped.runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const size = { mappers: mapped.runs.length, reducers: call.mapSpec.partitions, bytes: stored };
    const sorted = call.mapSpec.by === "sorted";
    const plan = call.levels || sorted ? planOf(size, call.levels ?? 1) : shufflePlan(size);
    const merged = plan.levels === 2 ? await shuffle.merge(mapped, plan) : undefined;
    const reduced = await shuffle.reduce(merged ?? mapped, merged && plan);
    const all = [...mapped.runs, ...(merged?.runs ?? []), ...reduced];
    const report: ShuffleReport = {
      plan,
      mappers: mapped.runs.length,
      partitions: reduced.length,
      pairs: mapped.runs.reduce((sum, { pairs }) => sum + pairs, 0),
      rawBytes: mapped.runs.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
      storedBytes: stored,
      puts: all.reduce((sum, { puts }) => sum + puts, 0),
      gets: all.reduce((sum, { gets }) => sum + gets, 0),
      remade: mapped.remade + (merged?.remade ?? 0),
    };
    return { reduced, report };
  } finally {
    await clean(pool, call.mapSpec.prefix);
  }
}

class Shuffle {
  readonly #pool: Pool;
  readonly #call: ShuffleCall;

  constructor(pool: Pool, call: ShuffleCall) {
    this.#pool = pool;
    this.#call = call;
  }

  async map(inputs: unknown): Promise<Stage<StoredRun>> {
    const { mapSpec: spec, itemsPerTask, stage } = this.#call;
    if (isJob(inputs)) {
      const mapAll = () => this.#pool.map((item: unknown, ctx) => mapItems(spec, [item], ctx), inputs, stage);
      const runs = await mapAll();
      // Items of a job are known to its own tasks alone, one by one: all are mapped again.
      const remake = async (lost: readonly number[]) => {
        const again = await mapAll();
        for (const run of lost) runs[run] = again[run]!;
      };
      return { runs, remake, remade: 0 };
    }
    const kept: unknown[][] = [];
    const groups = keeping(groupsOf(inputs, itemsPerTask), kept);
    const mapGroups = (items: MapItems<unknown[]>) =>
      this.#pool.map((group: unknown[], ctx) => mapItems(spec, group, ctx), items, stage);
    const runs = await mapGroups(groups);
    const remake = async (lost: readonly number[]) => {
      const again = await mapGroups(lost.map((run) => kept[run]!));
      for (const [i, run] of lost.entries()) runs[run] = again[i]!;
    };
    return { runs, remake, remade: 0 };
  }

  /** The level between: each task merges some partitions of some runs. */
  async merge(mapped: Stage<StoredRun>, plan: ShufflePlan): Promise<Stage<StoredRun>> {
    const { mapSpec, stage } = this.#call;
    const { map: _map, ...spec } = mapSpec;
    const { mappersPerMerge, partitionsPerMerge } = plan;
    const cells: { firstRun: number; partition: number; partitions: number }[] = [];
    for (let firstRun = 0; firstRun < mapped.runs.length; firstRun += mappersPerMerge) {
      for (let partition = 0; partition < spec.partitions; partition += partitionsPerMerge) {
        const partitions = Math.min(partitionsPerMerge, spec.partitions - partition);
        cells.push({ firstRun, partition, partitions });
      }
    }
    const inputOf = ({ firstRun, partition, partitions }: (typeof cells)[number]) => {
      const lastRun = Math.min(firstRun + mappersPerMerge, mapped.runs.length);
      const reads: number[] = [];
      for (let run = firstRun; run < lastRun; run++) {
        addRead(reads, mapped.runs[run]!, run, partition, partition + partitions);
      }
      return { partition, partitions, reads: Float64Array.from(reads) };
    };
    const mergeSome = (chosen: readonly number[]) =>
      overRuns(mapped, chosen, (indexes) => {
        const names = this.#pool.broadcast(mapped.runs.map(({ name }) => name));
        const inputs = indexes.map((i) => inputOf(cells[i]!));
        return this.#pool.map((input, ctx) => mergeRuns(spec, input, names.value, ctx), inputs, stage);
      });
    const runs = await mergeSome([...cells.keys()]);
    const remake = async (lost: readonly number[]) => {
      const again = await mergeSome(lost);
      for (const [i, run] of lost.entries()) runs[run] = again[i]!;
    };
    return { runs, remake, remade: 0 };
  }

  reduce(from: Stage<StoredRun>, plan: ShufflePlan | undefined): Promise<Reduced[]> {
    const { reduceSpec: spec, stage } = this.#call;
    const cuts = spec.by === "sorted" ? cutKeys(from.runs, spec.partitions) : undefined;
    const columns = plan ? Math.ceil(spec.partitions / plan.partitionsPerMerge) : 1;
    const inputOf = (partition: number): MergeInput => {
      const reads: number[] = [];
      if (cuts) {
        const [low, high] = [cuts[partition - 1], cuts[partition]];
        for (const [i, run] of from.runs.entries()) {
          const { offset, length } = rangeOf(run, low, high);
          if (length > 0) reads.push(i, offset, length);
        }
        return { partition, reads: Float64Array.from(reads), low, high };
      }
      // Of merged runs, those of this partition's column have it, as one of their own.
      const width = plan?.partitionsPerMerge ?? spec.partitions;
      const column = Math.floor(partition / width);
      const own = partition - column * width;
      for (let run = column; run < from.runs.length; run += columns) {
        addRead(reads, from.runs[run]!, run, own, own + 1);
      }
      return { partition, reads: Float64Array.from(reads) };
    };
    const partitions = cuts ? cuts.length + 1 : spec.partitions;
    return overRuns(from, [...new Array(partitions).keys()], (indexes) => {
      const names = this.#pool.broadcast(from.runs.map(({ name }) => name));
      const inputs = indexes.map(inputOf);
      return this.#pool.map((input, ctx) => reducePartition(spec, input, names.value, ctx), inputs, stage);
    });
  }
}

function addRead(reads: number[], { offsets }: StoredRun, run: number, from: number, to: number): void {
  const offset = offsets[from]!;
  const length = offsets[to]! - offset;
  if (length > 0) reads.push(run, offset, length);
}

export const isJob = (value: unknown): value is MapItems<unknown> =>
  typeof value === "object" && value !== null && "completed" in value && "detach" in value;

const ARRAY_TASKS = 64;
const STREAM_ITEMS = 1000;

/** Items as they go to tasks: handles of files one by one, others some at a time. */
export async function* groupsOf(
  inputs: unknown,
  itemsPerTask: number | undefined,
): AsyncGenerator<unknown[]> {
  const items = inputs instanceof Dataset ? inputs.parts : inputs;
  const known = Array.isArray(items) ? Math.ceil(items.length / ARRAY_TASKS) : STREAM_ITEMS;
  let group: unknown[] = [];
  for await (const item of items as AsyncIterable<unknown>) {
    group.push(item);
    if (group.length < (itemsPerTask ?? (isHandle(item) ? 1 : known))) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

const isHandle = (item: unknown): boolean =>
  item instanceof PoolFile || item instanceof PoolSlice || isDatasetPart(item);

export async function* keeping<T>(items: AsyncIterable<T>, kept: T[]): AsyncGenerator<T> {
  for await (const item of items) {
    kept.push(item);
    yield item;
  }
}
