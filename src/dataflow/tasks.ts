/** All that tasks of this folder run, built as a module of its own: workers import it and not what the driver needs. */
export {
  drawRunId,
  keepValue,
  keptValue,
  loadItems,
  placePartition,
  stepPartition,
  writeVertices,
} from "./bsp-tasks.ts";
export { partArray } from "./dataset-part.ts";
export { combineStored, loadValue, storeValue } from "./gather-tasks.ts";
export { mergeRecordRuns, mergeRecords, sortSlice } from "./record-tasks.ts";
export { mapItems, mergeRuns, reducePartition } from "./shuffle-tasks.ts";
