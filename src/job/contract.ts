export type { JobRef } from "./keys.ts";

/** Where a run of outcomes lies: a frame of a log. */
export interface OutcomeLocation {
  /** Name of the log within the job's journal: `worker-ab12.log`. */
  readonly log: string;
  readonly offsetBytes: number;
  /** Length with the frame's header. */
  readonly lengthBytes: number;
}
