import { randomBytes } from "node:crypto";
import { UsageError } from "../errors.ts";
import type { CallOptions, Context, Pool, PoolSlice, StoredObject } from "../index.ts";
import { integer, type Rule } from "../options.ts";
import { cellsOf, numbersFrom, rangeReads, runsOfPartition } from "./levels.ts";
import { aFunction, checkStage, isPrefix, oneOf, SHUFFLE_RULES, viaOf } from "./options.ts";
import { cutKeys } from "./partitioner.ts";
import type { ShufflePlan } from "./plan.ts";
import { mergeRecordRuns, mergeRecords, type RecordRun, type RecordSpec, sortSlice } from "./record-tasks.ts";
import type { RecordRule } from "./records.ts";
import { checkStores, cleanRuns } from "./run-store.ts";
import { keeping, type ShuffleReport } from "./shuffle.ts";
import type { MergeInput } from "./shuffle-spec.ts";
import type { SortRecords } from "./sort.ts";
import { memoryBytesOf, mergePlan, partitionsOf, sliceBytesOf } from "./sort-plan.ts";
import { namesOf, overRuns, type Stage } from "./stage.ts";

const MAX_RECORD_BYTES = 65_536;
const RECORD_RULES: Record<string, Rule> = {
  ...SHUFFLE_RULES,
  onReport: aFunction,
  lines: oneOf(true),
  recordBytes: integer(1, MAX_RECORD_BYTES),
  keyBytes: integer(1, MAX_RECORD_BYTES),
  keyOffset: integer(0, MAX_RECORD_BYTES - 1),
  memoryMb: integer(64, MAX_RECORD_BYTES),
  output: {
    check: (v) => isPrefix((v as { objects?: unknown } | null)?.objects),
    expected: '{ objects: "sorted" }',
  },
};

/** The sort of the bytes of files. */
export async function sortRecords(
  pool: Pool,
  patterns: string | readonly string[],
  options: SortRecords,
): Promise<StoredObject[]> {
  const { stage } = checkStage(options, RECORD_RULES, "sort");
  if (options.output === undefined) {
    throw new UsageError("BAD_OPTION", "sort: option output is missing", {
      remedy: 'Say where the sorted objects go: { output: { objects: "sorted" } }.',
      details: { option: "output" },
    });
  }
  const rule = ruleOf(options);
  const memoryBytes = memoryBytesOf(options.memoryMb);
  const prefix = `dataflow/${randomBytes(8).toString("hex")}`;
  const spec: RecordSpec = {
    ...{ prefix, rule, memoryBytes, via: viaOf(options.via) },
    output: options.output.objects,
    compression: options.compression ?? "none",
  };
  const sliceBytes = sliceBytesOf(memoryBytes);
  const cut = rule.kind === "lines" ? { sliceBytes } : { sliceBytes, recordBytes: rule.recordBytes };
  const slices = pool.slices(patterns, { ...cut, decompress: false });
  await checkStores(pool.store, spec.via);
  try {
    const sorted = await sortSlices(pool, spec, slices, stage);
    const { objects, report } = await new RecordMerge(pool, spec, sorted, stage).run(options);
    options.onReport?.(report);
    return objects;
  } finally {
    await cleanRuns(pool.store, prefix, spec.via);
  }
}

async function sortSlices(
  pool: Pool,
  spec: RecordSpec,
  slices: AsyncIterable<PoolSlice>,
  stage: CallOptions,
): Promise<Stage<RecordRun>> {
  const kept: PoolSlice[] = [];
  const sortAll = (items: AsyncIterable<PoolSlice> | PoolSlice[]) =>
    pool.map((slice: PoolSlice, ctx) => sortSlice(spec, slice, ctx), items, stage);
  const runs = await sortAll(keeping(slices, kept));
  const remake = async (lost: readonly number[]) => {
    const again = await sortAll(lost.map((run) => kept[run]!));
    for (const [i, run] of lost.entries()) runs[run] = again[i]!;
  };
  return { runs, remake, remade: 0 };
}

/** The merges of sorted runs, on one level or two. */
class RecordMerge {
  readonly #pool: Pool;
  readonly #spec: RecordSpec;
  readonly #sorted: Stage<RecordRun>;
  readonly #stage: CallOptions;
  #cuts: Uint8Array[] = [];

  constructor(pool: Pool, spec: RecordSpec, sorted: Stage<RecordRun>, stage: CallOptions) {
    this.#pool = pool;
    this.#spec = spec;
    this.#sorted = sorted;
    this.#stage = stage;
  }

  async run({
    partitions,
    levels,
  }: SortRecords): Promise<{ objects: StoredObject[]; report: ShuffleReport }> {
    const sorted = this.#sorted;
    this.#cuts = cutKeys(sorted.runs, partitionsOf(sorted.runs.length, partitions));
    const storedBytes = sumOf(sorted.runs, "sizeBytes");
    const size = { runs: sorted.runs.length, partitions: this.#cuts.length + 1, bytes: storedBytes };
    const plan = mergePlan(size, this.#spec.memoryBytes, levels);
    const between = plan.levels === 2 ? await this.#mergeCells(plan) : undefined;
    const merged = await this.#mergeAll(between ?? sorted, plan);
    const all = [...sorted.runs, ...(between?.runs ?? []), ...merged];
    const report: ShuffleReport = {
      ...{ plan, mappers: size.runs, partitions: size.partitions, pairs: sumOf(sorted.runs, "records") },
      ...{ rawBytes: sumOf(sorted.runs, "rawBytes"), storedBytes },
      ...{ puts: sumOf(all, "puts"), gets: sumOf(all, "gets") },
      remade: sorted.remade + (between?.remade ?? 0),
    };
    return { objects: merged.map(({ object }) => object), report };
  }

  /** The level between: each task merges some ranges of some runs into one. */
  async #mergeCells(plan: ShufflePlan): Promise<Stage<RecordRun>> {
    const sorted = this.#sorted;
    const cells = cellsOf(plan, sorted.runs.length, this.#cuts.length + 1);
    const inputOf = (cell: number): MergeInput => {
      const { firstRun, pastRun, partition, partitions } = cells[cell]!;
      return this.#inputOf(sorted, numbersFrom(firstRun, pastRun), partition, partitions);
    };
    const merge = (chosen: readonly number[]) =>
      overRuns(sorted, chosen, (some) => {
        const [spec, names] = [this.#spec, this.#pool.broadcast(namesOf(sorted))];
        const inputs = some.map(inputOf);
        const mergeOne = (input: MergeInput, ctx: Context) => mergeRecordRuns(spec, input, names.value, ctx);
        return this.#pool.map(mergeOne, inputs, this.#stage);
      });
    const runs = await merge([...cells.keys()]);
    const remake = async (lost: readonly number[]) => {
      const again = await merge(lost);
      for (const [i, run] of lost.entries()) runs[run] = again[i]!;
    };
    return { runs, remake, remade: 0 };
  }

  #mergeAll(from: Stage<RecordRun>, plan: ShufflePlan) {
    const partitions = this.#cuts.length + 1;
    const inputOf = (partition: number): MergeInput => {
      const own =
        plan.levels === 2 ? runsOfPartition(plan, from.runs.length, partitions, partition) : from.runs.keys();
      return this.#inputOf(from, own, partition, 1);
    };
    return overRuns(from, [...numbersFrom(0, partitions)], (some) => {
      const [spec, names] = [this.#spec, this.#pool.broadcast(namesOf(from))];
      const inputs = some.map(inputOf);
      return this.#pool.map((input, ctx) => mergeRecords(spec, input, names.value, ctx), inputs, this.#stage);
    });
  }

  #inputOf(
    from: Stage<RecordRun>,
    runs: Iterable<number>,
    partition: number,
    partitions: number,
  ): MergeInput {
    const [low, high] = [this.#cuts[partition - 1], this.#cuts[partition + partitions - 1]];
    return { partition, reads: rangeReads(from.runs, runs, low, high), low, high };
  }
}

const sumOf = <K extends string>(runs: readonly Readonly<Record<K, number>>[], key: K): number =>
  runs.reduce((sum, run) => sum + run[key], 0);

function ruleOf(options: SortRecords): RecordRule {
  const { lines, recordBytes, keyOffset = 0 } = options;
  if ((lines === undefined) === (recordBytes === undefined)) {
    throw new UsageError("BAD_ARGUMENT", "sort: it isn't said what to sort by, or twice", {
      remedy: "Give one of { key }, { lines: true } and { recordBytes, keyBytes }.",
    });
  }
  if (recordBytes === undefined) return { kind: "lines" };
  const keyBytes = options.keyBytes ?? recordBytes - keyOffset;
  if (keyOffset + keyBytes > recordBytes || keyBytes < 1) {
    throw new UsageError(
      "BAD_OPTION",
      `sort: the key ends ${keyOffset + keyBytes} bytes behind the start of a record`,
      {
        remedy: `keyOffset + keyBytes is ${recordBytes}, recordBytes, at most.`,
        details: { option: "keyBytes" },
      },
    );
  }
  return { kind: "fixed", recordBytes, keyOffset, keyBytes };
}
