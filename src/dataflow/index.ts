/**
 * Kinglet's dataflow: more than map, on the same workers and the same store (`import … from "kinglet/dataflow"`).
 * See docs/dataflow.md.
 */
export { type BspOptions, type BspResult, bsp, type FirstVertex, type None } from "./bsp.ts";
export type { SuperstepReport } from "./bsp-run.ts";
export { Dataset } from "./dataset.ts";
export type { DatasetPart } from "./dataset-part.ts";
export { type GatherOptions, gather, type TreeReduceOptions, treeReduce } from "./gather.ts";
export {
  type DatasetOutput,
  type Emit,
  type Inputs,
  type MapReduceOptions,
  mapReduce,
  type ObjectsOutput,
  type Results,
  type StageOptions,
} from "./map-reduce.ts";
export { type ShufflePlan, type ShuffleSize, shufflePlan } from "./plan.ts";
export type { ShuffleReport } from "./shuffle.ts";
export { type SortByKey, type SortOptions, type SortRecords, sort } from "./sort.ts";
export { type SortPlan, type SortSize, type SortStage, sortPlan } from "./sort-plan.ts";
export type { Aggregator, Vertex } from "./vertex.ts";
