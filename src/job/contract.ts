export type { JobRef } from "./keys.ts";

/** Where a run of outcomes lies: a frame of a log. */
export interface OutcomeLocation {
  /** Name, within the job's journal, of the object that holds it: `worker-ab12.log`, or a segment of that. */
  readonly log: string;
  readonly offsetBytes: number;
  /** Length with the frame's header. */
  readonly lengthBytes: number;
}
