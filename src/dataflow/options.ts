import { UsageError } from "../errors.ts";
import type { CallOptions } from "../index.ts";
import { checkCallOptions, checkOptions, integer, isPlainObject, type Rule } from "../options.ts";
import type { ShuffleReport } from "./shuffle.ts";
import type { MapSpec, ReduceSpec, ShuffleSpec } from "./shuffle-spec.ts";

export interface CheckedMapReduce {
  readonly map: MapSpec["map"];
  readonly combine: ShuffleSpec["combine"];
  readonly reduce: ReduceSpec["reduce"];
  readonly partitions?: number;
  readonly by?: "hash" | "sorted";
  readonly itemsPerTask: number | undefined;
  readonly bufferMb?: number;
  readonly compression?: ShuffleSpec["compression"];
  readonly levels: 1 | 2 | undefined;
  readonly output?: { dataset?: string; objects?: string; format?: unknown };
  readonly onReport?: (report: ShuffleReport) => void;
  /** Those for all tasks. */
  readonly stage: CallOptions;
}

const STAGE = [
  "timeoutMs",
  "retries",
  "retryErrors",
  "isolate",
  "memoryMb",
  "cpus",
  "concurrency",
  "env",
  "signal",
] as const;

const aFunction: Rule = { check: (v) => typeof v === "function", expected: "a function" };
export const oneOf = (...values: unknown[]): Rule => ({
  check: (v) => values.includes(v),
  expected: values.map((v) => JSON.stringify(v)).join(" or "),
});
/** As names of the store: no empty, `.` or `..` segment. */
export const isPrefix = (v: unknown): boolean =>
  typeof v === "string" &&
  v !== "" &&
  v.length <= 700 &&
  v.split("/").every((s) => !["", ".", ".."].includes(s));
const outputRule: Rule = {
  check: (v) => isPlainObject(v) && isPrefix(v["objects"]) !== isPrefix(v["dataset"]),
  expected: 'where results go: { objects: "out/counts" } or { dataset: "counts" }',
};

const RULES: Record<string, Rule> = {
  map: aFunction,
  combine: aFunction,
  reduce: aFunction,
  partitions: integer(1, 100_000),
  by: oneOf("hash", "sorted"),
  itemsPerTask: integer(1, 1_000_000),
  bufferMb: integer(1, 65_536),
  compression: oneOf("zstd", "deflate", "none"),
  levels: oneOf(1, 2),
  output: outputRule,
  onReport: aFunction,
};

const anything: Rule = { check: () => true, expected: "" };
const WITH_STAGE = { ...RULES, ...Object.fromEntries(STAGE.map((name) => [name, anything])) };

/** @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT */
export function checkMapReduce(options: unknown, where: string): CheckedMapReduce {
  const checked = checkOptions(options, WITH_STAGE, where) as Record<string, unknown>;
  if (checked["map"] === undefined || (checked["reduce"] ?? checked["combine"]) === undefined) {
    throw new UsageError(
      "BAD_ARGUMENT",
      `${where}: ${checked["map"] ? "reduce and combine are" : "map is"} missing`,
      {
        remedy: "Give { map, reduce }, { map, combine }, or all three.",
      },
    );
  }
  if (checked["by"] === "sorted" && checked["levels"] === 2) {
    throw new UsageError("BAD_OPTION", `${where}: levels 2 is for partitions by hash`, {
      remedy: 'Leave levels out, or partition by "hash".',
      details: { option: "levels" },
    });
  }
  return { ...checked, stage: stageOptions(checked, where) } as never;
}

/** The options for all tasks. @throws UsageError BAD_OPTION */
export function stageOptions(options: Record<string, unknown>, where: string): CallOptions {
  const given = STAGE.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return checkCallOptions(Object.fromEntries(given), where);
}
