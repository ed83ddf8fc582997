import { type CallOptions, type MapItems, type Pool, PoolFile, PoolSlice } from "../index.ts";
import { Dataset } from "./dataset.ts";
import { isDatasetPart } from "./dataset-part.ts";
import { type Cell, cellsOf, numbersFrom, rangeReads, runsOfPartition } from "./levels.ts";
import { cutKeys } from "./partitioner.ts";
import { MAX_RUNS, planOf, type ShufflePlan, type ShuffleSize, shufflePlan } from "./plan.ts";
import { checkStores, cleanRuns } from "./run-store.ts";
import type { MapSpec, MergeInput, ReduceSpec } from "./shuffle-spec.ts";
import { mapItems, mergeRuns, type Reduced, reducePartition, type StoredRun } from "./shuffle-tasks.ts";
import { allOf, type GrowingStage, growingStage, namesOf, overRuns, type Stage } from "./stage.ts";

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
  const { mapSpec } = call;
  await checkStores(pool.store, mapSpec.via ?? []);
  const shuffle = new Shuffle(pool, call);
  try {
    const { mapped, merged, plan } = await shuffle.mapAndMerge(inputs);
    const reduced = await shuffle.reduce(merged ?? mapped, plan);
    const all = [...mapped.runs, ...(merged?.runs ?? []), ...reduced];
    const report: ShuffleReport = {
      plan,
      mappers: mapped.runs.length,
      partitions: reduced.length,
      pairs: mapped.runs.reduce((sum, { pairs }) => sum + pairs, 0),
      rawBytes: mapped.runs.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
      storedBytes: storedBytes(mapped),
      puts: all.reduce((sum, { puts }) => sum + puts, 0),
      gets: all.reduce((sum, { gets }) => sum + gets, 0),
      remade: mapped.remade + (merged?.remade ?? 0),
    };
    return { reduced, report };
  } finally {
    await cleanRuns(pool.store, mapSpec.prefix, mapSpec.via);
  }
}

const storedBytes = ({ runs }: Stage<StoredRun>): number =>
  runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

class Shuffle {
  readonly #pool: Pool;
  readonly #call: ShuffleCall;
  /** With `by: "sorted"`: the keys between partitions. */
  #cuts: Uint8Array[] | undefined;

  constructor(pool: Pool, call: ShuffleCall) {
    this.#pool = pool;
    this.#call = call;
  }

  /** Both, since merging begins as soon as the runs of a row are there, where it is known which these are. */
  async mapAndMerge(inputs: unknown) {
    const { mapSpec, levels, itemsPerTask } = this.#call;
    const mappers = countOfTasks(inputs, itemsPerTask);
    if (mapSpec.by === "hash" && mappers !== undefined && (levels === 2 || mappers > MAX_RUNS)) {
      const early = planOf({ mappers, reducers: mapSpec.partitions, bytes: 0 }, 2);
      const mapped = this.#map(inputs);
      const merged = await this.#mergeRows(mapped, early, mappers);
      await mapped.done;
      return { mapped, merged, plan: planOf(this.#sizeOf(mapped, mapSpec.partitions), 2) };
    }
    const mapped = this.#map(inputs);
    await mapped.done;
    if (mapSpec.by === "sorted") this.#cuts = cutKeys(mapped.runs, mapSpec.partitions);
    const size = this.#sizeOf(mapped, this.#partitions);
    const plan = levels ? planOf(size, levels) : shufflePlan(size);
    const merged = plan.levels === 2 ? await this.#mergeRows(mapped, plan, size.mappers) : undefined;
    return { mapped, merged, plan };
  }

  get #partitions(): number {
    return this.#cuts ? this.#cuts.length + 1 : this.#call.mapSpec.partitions;
  }

  #sizeOf(mapped: Stage<StoredRun>, reducers: number): ShuffleSize {
    return { mappers: mapped.runs.length, reducers, bytes: storedBytes(mapped) };
  }

  #map(inputs: unknown): GrowingStage<StoredRun> {
    const { mapSpec: spec, itemsPerTask, stage } = this.#call;
    if (isJob(inputs)) {
      const mapAll = () => this.#pool.map((item: unknown, ctx) => mapItems(spec, [item], ctx), inputs, stage);
      // Items of a job are known to its own tasks alone, one by one: all are mapped again.
      return growingStage(mapAll(), async (lost) => {
        const again = await mapAll();
        return lost.map((run) => again[run]!);
      });
    }
    const kept: unknown[][] = [];
    const groups = keeping(groupsOf(inputs, itemsPerTask), kept);
    const mapGroups = (items: MapItems<unknown[]>) =>
      this.#pool.map((group: unknown[], ctx) => mapItems(spec, group, ctx), items, stage);
    return growingStage(mapGroups(groups), (lost) => mapGroups(lost.map((run) => kept[run]!)));
  }

  /** The level between: each task merges some partitions of some runs, as soon as all of these are there. */
  async #mergeRows(mapped: GrowingStage<StoredRun>, plan: ShufflePlan, mappers: number) {
    const cells = cellsOf(plan, mappers, this.#partitions);
    const columns = Math.ceil(this.#partitions / plan.partitionsPerMerge);
    const runs: StoredRun[] = [];
    const merge = async (chosen: readonly number[]) => {
      const made = await this.#merge(mapped, cells, chosen);
      for (const [i, cell] of chosen.entries()) runs[cell] = made[i]!;
    };
    const rows = Array.from({ length: cells.length / columns }, async (_, row) => {
      const first = row * columns;
      const { firstRun, pastRun } = cells[first]!;
      await mapped.until(firstRun, pastRun);
      await merge([...numbersFrom(first, first + columns)]);
    });
    await allOf(rows);
    return { runs, remake: merge, remade: 0 };
  }

  #merge(mapped: Stage<StoredRun>, cells: readonly Cell[], chosen: readonly number[]) {
    const { mapSpec, stage } = this.#call;
    const { map: _map, ...spec } = mapSpec;
    const inputOf = ({ firstRun, pastRun, partition, partitions }: Cell) => {
      const own = numbersFrom(firstRun, pastRun);
      const low = this.#cuts?.[partition - 1];
      const high = this.#cuts?.[partition + partitions - 1];
      const reads = this.#cuts
        ? rangeReads(mapped.runs, own, low, high)
        : partitionReads(mapped.runs, own, partition, partition + partitions);
      return { partition, partitions, reads, low, high };
    };
    return overRuns(mapped, chosen, (indexes) => {
      const names = this.#pool.broadcast(namesOf(mapped));
      const inputs = indexes.map((i) => inputOf(cells[i]!));
      return this.#pool.map((input, ctx) => mergeRuns(spec, input, names.value, ctx), inputs, stage);
    });
  }

  reduce(from: Stage<StoredRun>, plan: ShufflePlan): Promise<Reduced[]> {
    const { reduceSpec: spec, stage } = this.#call;
    const partitions = this.#partitions;
    const isMerged = plan.levels === 2;
    const inputOf = (partition: number): MergeInput => {
      const own = isMerged
        ? runsOfPartition(plan, from.runs.length, partitions, partition)
        : from.runs.keys();
      const [low, high] = [this.#cuts?.[partition - 1], this.#cuts?.[partition]];
      if (this.#cuts) return { partition, reads: rangeReads(from.runs, own, low, high), low, high };
      const inRun = isMerged ? partition % plan.partitionsPerMerge : partition;
      return { partition, reads: partitionReads(from.runs, own, inRun, inRun + 1) };
    };
    return overRuns(from, [...numbersFrom(0, partitions)], (indexes) => {
      const names = this.#pool.broadcast(namesOf(from));
      const inputs = indexes.map(inputOf);
      return this.#pool.map((input, ctx) => reducePartition(spec, input, names.value, ctx), inputs, stage);
    });
  }
}

/** Reads of some partitions of some runs: three numbers each (`MergeInput`). */
function partitionReads(
  runs: readonly StoredRun[],
  chosen: Iterable<number>,
  from: number,
  to: number,
): Float64Array {
  const reads: number[] = [];
  for (const run of chosen) {
    const { offsets } = runs[run]!;
    const length = offsets[to]! - offsets[from]!;
    if (length > 0) reads.push(run, offsets[from]!, length);
  }
  return Float64Array.from(reads);
}

export const isJob = (value: unknown): value is MapItems<unknown> =>
  typeof value === "object" && value !== null && "completed" in value && "detach" in value;

const ARRAY_TASKS = 64;
const STREAM_ITEMS = 1000;

/** How many tasks map them, where it is known before. */
function countOfTasks(inputs: unknown, itemsPerTask: number | undefined): number | undefined {
  const items = inputs instanceof Dataset ? inputs.parts : inputs;
  if (!Array.isArray(items) || items.length === 0) return undefined;
  if (itemsPerTask !== undefined) return Math.ceil(items.length / itemsPerTask);
  // Handles go one by one, also beside others: then it isn't known.
  if (items.some(isHandle)) return items.every(isHandle) ? items.length : undefined;
  return Math.ceil(items.length / Math.ceil(items.length / ARRAY_TASKS));
}

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
