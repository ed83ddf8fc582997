import { AWS_US_EAST_1, type PriceTable } from "../cost/prices.ts";
import { isFeasible, type SortPlan, type SortSize, sortPlan } from "../dataflow/sort-plan.ts";
import { UsageError } from "../errors.ts";
import { countOf, formatCount, formatDuration } from "../observe/text.ts";
import { parseWhole } from "./durations.ts";
import { EXIT } from "./exit-codes.ts";
import { print, printJson, table } from "./output.ts";
import { costOfPlan, DEFAULT_MB_PER_SECOND, type Fleet, type PlanCost } from "./plan-cost.ts";
import { parseSize } from "./sizes.ts";

export interface PlanSortOptions {
  readonly bytes: string;
  readonly memoryMb?: string;
  readonly workers?: string;
  readonly mbPerSecond?: string;
  readonly partitions?: string;
  readonly architecture?: string;
  readonly json?: boolean;
}

const DEFAULT_WORKERS = 1000;
/** AWS Lambda's limits of a function: memory and time. */
const MOST_MEMORY_MB = 10_240;
const MOST_MS = 900_000;
/** About what a process holds in a GB of memory. */
const MOST_BLOCKS = 10_000_000;

/** `kinglet plan sort`: what a sort would ask of workers and store, and what it would take. Nothing runs. */
export function planSort(options: PlanSortOptions): number {
  const bytes = parseSize(options.bytes, "--bytes");
  const partitions =
    options.partitions === undefined ? {} : { partitions: parseWhole(options.partitions, "--partitions", 1) };
  const least = leastMemoryMb({ bytes, ...partitions });
  const memoryMb = options.memoryMb === undefined ? least : parseWhole(options.memoryMb, "--memory-mb", 64);
  const plan = sortPlan({ bytes, ...partitions, memoryMb });
  if (!isFeasible(plan)) throw tooLittle(memoryMb, least, plan);
  const fleet: Fleet = {
    workers: parseWhole(options.workers ?? String(DEFAULT_WORKERS), "--workers", 1),
    memoryMb,
    mbPerSecond: parseWhole(options.mbPerSecond ?? String(DEFAULT_MB_PER_SECOND), "--mb-per-second", 1),
    architecture: architectureOf(options.architecture ?? "arm64"),
  };
  const cost = costOfPlan(plan, fleet, AWS_US_EAST_1);
  if (options.json) printJson({ bytes, fleet, plan, ...cost, prices: AWS_US_EAST_1 });
  else for (const line of report(bytes, plan, fleet, cost, AWS_US_EAST_1)) print(line);
  return EXIT.ok;
}

/** From the default of a sort on, twice as much each time. */
function leastMemoryMb(size: Omit<SortSize, "memoryMb">): number {
  let memoryMb = 256;
  while (!isFeasible(sortPlan({ ...size, memoryMb })) && memoryMb < 2 ** 20) memoryMb *= 2;
  return memoryMb;
}

function tooLittle(memoryMb: number, least: number, { fanIn, partitions }: SortPlan): UsageError {
  const message = `--memory-mb ${memoryMb} is too little: tasks would merge ${fanIn} runs at once, into ${partitions} partitions`;
  return new UsageError("BAD_ARGUMENT", message, {
    remedy: `From ${least} MiB on it can be done; or give --partitions, 100,000 at most.`,
    details: { option: "--memory-mb" },
  });
}

function architectureOf(text: string): Fleet["architecture"] {
  if (text === "arm64" || text === "x64") return text;
  throw new UsageError(
    "BAD_ARGUMENT",
    `--architecture: ${JSON.stringify(text)} is no processor of Lambda's`,
    {
      remedy: "Write --architecture arm64 or --architecture x64.",
      details: { option: "--architecture" },
    },
  );
}

const STAGES = { sort: "sort slices", merge: "merge runs", output: "merge into objects" } as const;
const dollars = (usd: number): string =>
  `$${usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
/** In powers of 1,000, as sizes are given. */
function decimalSize(bytes: number): string {
  const power = Math.min(5, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB", "PB"][power]}`;
}

function report(bytes: number, plan: SortPlan, fleet: Fleet, cost: PlanCost, prices: PriceTable): string[] {
  const { workers, memoryMb, mbPerSecond, architecture } = fleet;
  const { costUsd } = cost;
  const between =
    plan.levels === 1
      ? `in one level, of ${formatCount(plan.runs)} runs each`
      : `in two levels, of groups of ${plan.runsPerMerge} runs × ${plan.partitionsPerMerge} partitions`;
  const rows = cost.stages.map((stage) => [
    STAGES[stage.name],
    formatCount(stage.tasks),
    formatCount(stage.gets),
    formatCount(stage.putRequests),
    formatDuration(stage.taskMs),
    formatDuration(stage.elapsedMs),
  ]);
  const totals = [
    formatCount(cost.invocations),
    formatCount(cost.getRequests),
    formatCount(cost.putRequests),
    "",
    formatDuration(cost.elapsedMs),
  ];
  const head = ["stage", "tasks", "range reads", "put requests", "a task", "all"];
  const others = head.slice(1);
  const costs: [string, number, string][] = [
    ["compute", costUsd.compute, `${formatCount(cost.gbSeconds)} GB-s, ${architecture}`],
    ["invocations", costUsd.invocations, countOf(cost.invocations, "task")],
    ["gets", costUsd.gets, countOf(cost.getRequests, "request")],
    ["puts", costUsd.puts, `${countOf(cost.putRequests, "request")}, with parts of objects over 16 MiB`],
    ["storage", costUsd.storage, `${decimalSize(plan.levels * bytes)} of intermediate objects meanwhile`],
    ["total", costUsd.total, ""],
  ];
  return [
    `A sort of ${decimalSize(bytes)} on ${countOf(workers, "worker")} of ${formatCount(memoryMb)} MiB, ${mbPerSecond} MB/s each:`,
    `${countOf(plan.runs, "sorted run")} of ${decimalSize(Math.min(bytes, plan.sliceBytes))}, merged into ${countOf(plan.partitions, "object")} ${between}.`,
    "",
    ...table(head, [...rows, ["all", ...totals]], others),
    "",
    ...table(
      ["cost", "", "for"],
      costs.map(([name, usd, what]) => [name, dollars(usd), what]),
      [""],
    ),
    "",
    ...limits(plan, fleet, cost),
    `Prices: ${prices.name}, ${prices.asOf} (${prices.sources.join(", ")}).`,
  ];
}

/** What would stand in the way. */
function limits(plan: SortPlan, { memoryMb }: Fleet, { stages }: PlanCost): string[] {
  const longestMs = Math.max(...stages.map(({ taskMs }) => taskMs));
  return [
    ...(memoryMb > MOST_MEMORY_MB
      ? [`Limit: AWS Lambda has ${formatCount(MOST_MEMORY_MB)} MiB at most.`]
      : []),
    ...(longestMs > MOST_MS
      ? [`Limit: a task takes ${formatDuration(longestMs)}, AWS Lambda ends it after 15 min.`]
      : []),
    ...(plan.blocks > MOST_BLOCKS
      ? [
          `Limit: the driver holds the first keys of ${formatCount(plan.blocks)} blocks, more than its memory is good for.`,
        ]
      : []),
  ];
}
