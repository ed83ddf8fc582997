import { UsageError } from "../errors.ts";
import type { CallOptions } from "../index.ts";
import { integer, isPlainObject, type Rule } from "../options.ts";
import type { SuperstepReport } from "./bsp-run.ts";
import type { BspSpec } from "./bsp-spec.ts";
import { aFunction, checkStage, oneOf, outputRule } from "./options.ts";

export interface CheckedBsp {
  /** All but where its objects are. */
  readonly spec: Omit<BspSpec, "prefix">;
  readonly until: ((aggregates: never, superstep: number) => boolean) | undefined;
  readonly maxSupersteps: number;
  readonly name: string | undefined;
  readonly itemsPerTask: number | undefined;
  readonly output: { dataset?: string; objects?: string; format?: unknown } | undefined;
  readonly onSuperstep: ((report: SuperstepReport<never>) => void) | undefined;
  /** Those for all tasks. */
  readonly stage: CallOptions;
}

const isAggregator = (v: unknown): boolean =>
  isPlainObject(v) && "initial" in v && typeof v["reduce"] === "function";

const RULES: Record<string, Rule> = {
  vertices: aFunction,
  compute: aFunction,
  combine: aFunction,
  aggregators: {
    check: (v) => isPlainObject(v) && Object.values(v).every(isAggregator),
    expected: "aggregators by name, each { initial, reduce: (a, b) => … }",
  },
  mergeEdges: aFunction,
  missing: { check: (v) => v === "ignore" || typeof v === "function", expected: '"ignore" or a function' },
  until: aFunction,
  maxSupersteps: integer(1, 1_000_000),
  partitions: integer(1, 1000),
  partition: aFunction,
  name: {
    check: (v) => typeof v === "string" && /^[\w .:@-]{1,60}$/.test(v),
    expected: "1 to 60 letters, digits, spaces or . : @ _ -",
  },
  itemsPerTask: integer(1, 1_000_000),
  bufferMb: integer(1, 65_536),
  compression: oneOf("zstd", "deflate", "none"),
  output: outputRule,
  onSuperstep: aFunction,
};

/** @throws UsageError BAD_OPTION, UNKNOWN_OPTION, BAD_ARGUMENT */
export function checkBsp(options: unknown): CheckedBsp {
  const { checked, stage } = checkStage(options, RULES, "bsp");
  for (const name of ["vertices", "compute"]) {
    if (checked[name] !== undefined) continue;
    throw new UsageError("BAD_ARGUMENT", `bsp: ${name} is missing`, {
      remedy: "Give { vertices, compute }: the vertices of an item, and what each does in a superstep.",
    });
  }
  const { vertices, compute, combine, mergeEdges, missing, aggregators = {}, partition } = checked;
  const spec = {
    ...{ vertices, compute, combine, mergeEdges, missing, aggregators, place: partition, by: "hash" },
    partitions: checked["partitions"] ?? 8,
    memoryBytes: ((checked["bufferMb"] as number | undefined) ?? 64) * 1024 * 1024,
    compression: checked["compression"] ?? "zstd",
  };
  return { ...checked, spec, maxSupersteps: checked["maxSupersteps"] ?? 1000, stage } as never;
}
