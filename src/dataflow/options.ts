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
  readonly via?: string | readonly string[];
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

export const aFunction: Rule = { check: (v) => typeof v === "function", expected: "a function" };
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
export const outputRule: Rule = {
  check: (v) => isPlainObject(v) && isPrefix(v["objects"]) !== isPrefix(v["dataset"]),
  expected: 'where results go: { objects: "out/counts" } or { dataset: "counts" }',
};

/** Locations of stores; what they are is checked where they are opened. */
const viaRule: Rule = {
  check: (v) =>
    (typeof v === "string" && v !== "") ||
    (Array.isArray(v) && v.length > 0 && v.every((one) => typeof one === "string" && one !== "")),
  expected: 'locations of stores: "redis://host:6379/0", or an array of them',
};
export const viaOf = (via: string | readonly string[] | undefined): readonly string[] =>
  via === undefined ? [] : [via].flat();

/** Of all that shuffles. */
export const SHUFFLE_RULES: Record<string, Rule> = {
  partitions: integer(1, 100_000),
  compression: oneOf("zstd", "deflate", "none"),
  levels: oneOf(1, 2),
  via: viaRule,
};

const RULES: Record<string, Rule> = {
  map: aFunction,
  combine: aFunction,
  reduce: aFunction,
  ...SHUFFLE_RULES,
  by: oneOf("hash", "sorted"),
  itemsPerTask: integer(1, 1_000_000),
  bufferMb: integer(1, 65_536),
  output: outputRule,
  onReport: aFunction,
};

const anything: Rule = { check: () => true, expected: "" };

/** Options with rules of their own beside those for all tasks. @throws UsageError BAD_OPTION, UNKNOWN_OPTION */
export function checkStage(
  options: unknown,
  rules: Record<string, Rule>,
  where: string,
): { checked: Record<string, unknown>; stage: CallOptions } {
  const withStage = { ...Object.fromEntries(STAGE.map((name) => [name, anything])), ...rules };
  const checked = checkOptions(options, withStage, where) as Record<string, unknown>;
  const given = STAGE.filter((name) => checked[name] !== undefined).map((name) => [name, checked[name]]);
  return { checked, stage: checkCallOptions(Object.fromEntries(given), where) };
}

/** @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT */
export function checkMapReduce(options: unknown, where: string): CheckedMapReduce {
  const { checked, stage } = checkStage(options, RULES, where);
  if (checked["map"] === undefined || (checked["reduce"] ?? checked["combine"]) === undefined) {
    throw new UsageError(
      "BAD_ARGUMENT",
      `${where}: ${checked["map"] ? "reduce and combine are" : "map is"} missing`,
      {
        remedy: "Give { map, reduce }, { map, combine }, or all three.",
      },
    );
  }
  return { ...checked, stage } as never;
}

export const isPool = (v: unknown): boolean =>
  typeof v === "object" && v !== null && typeof (v as { map?: unknown }).map === "function";
