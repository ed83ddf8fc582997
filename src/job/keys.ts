import type { ObjectStore } from "../storage/contract.ts";

/**
 * Where everything lies in the store (FORMAT.md, "Keys"). Only this file builds keys.
 *
 *   functions/<sha256>                  a captured function, by content
 *   values/<sha256>                     a broadcast value, by content
 *   code/<sha256>                       a code package, by content; code/<sha256>.tgz an archive of files that it names
 *   uploads/<sha256>                    a local file that tasks elsewhere read, by content
 *   drivers/<driverId>                  a driver's lease: who leads the journals that it opened
 *   cancels/<driverId>                  tells that driver that there are requests to cancel among its journals
 *   names/<name>-<hash>/<journalId>     jobs with a name, to be continued
 *   journals/<id>/driver-<epoch>.log    job records, inputs, commits: one writer
 *   journals/<id>/claim-<epoch>         who leads from that epoch on: put-if-absent
 *   journals/<id>/worker-<workerId>.log proposals of one worker: outcomes and console lines
 *   journals/<id>/cancel-<number>       asks the driver that leads to cancel the job of that number
 *   journals/<id>/control-<logId>…      for one attempt that runs elsewhere: its driver's orders and answers
 *   journals/<id>/objects/<name>        one big input or outcome
 *   journals/<id>/g<epoch>/…            worker logs and objects of a generation that goes as a whole (generations.ts)
 *   journals/<id>/base                  what is left of generations that are gone
 *   named/…                             users' own objects (pool.store)
 */
export const FUNCTIONS = "functions/";
export const VALUES = "values/";
export const CODE = "code/";
export const UPLOADS = "uploads/";
export const DRIVERS = "drivers/";
export const CANCELS = "cancels/";
export const NAMES = "names/";
export const JOURNALS = "journals/";
export const NAMED = "named/";

export const functionKey = (hash: string): string => `${FUNCTIONS}${hash}`;
export const valueKey = (hash: string): string => `${VALUES}${hash}`;
export const codeKey = (hash: string): string => `${CODE}${hash}`;
export const archiveKey = (hash: string): string => `${CODE}${hash}.tgz`;
export const uploadKey = (hash: string): string => `${UPLOADS}${hash}`;
export const driverKey = (driverId: string): string => `${DRIVERS}${driverId}`;
export const journalPrefix = (journalId: string): string => `${JOURNALS}${journalId}/`;
export const driverLogName = (epoch: number): string => `driver-${epoch}.log`;
export const claimName = (epoch: number): string => `claim-${epoch}`;
export const BASE_NAME = "base";
/** Folder, in a journal, of what belongs to the generation that began with that epoch. */
export const generationFolder = (epoch: number): string => `g${epoch}/`;
export const workerLogName = (workerId: string): string => `worker-${workerId}.log`;
/** `part`: "" for orders, `reply-<n>` for an answer, `inputs`, `alive`, `end`. */
export const controlName = (logId: string, part: string): string =>
  part === "" ? `control-${logId}` : `control-${logId}-${part}`;
export const objectName = (name: string): string => `objects/${name}`;

/** A job's id: its journal's, followed by `.number` where the journal holds several jobs (calls of `pool.run`). */
export interface JobRef {
  readonly journalId: string;
  readonly number: number;
}

/** One object tells a driver of all requests, so that looking for them costs one request whatever it leads. */
export const cancelFlagKey = (driverId: string): string => `${CANCELS}${driverId}`;

/** `kinglet cancel` puts it, and then the flag of the driver that leads the journal. */
export const cancelKey = (ref: JobRef): string => `${cancelPrefix(ref.journalId)}${ref.number}`;
export const cancelPrefix = (journalId: string): string => `${journalPrefix(journalId)}cancel-`;

export const jobId = (ref: JobRef): string =>
  ref.number === 0 ? ref.journalId : `${ref.journalId}.${ref.number}`;

export function parseJobId(id: string): JobRef | undefined {
  const match = /^([0-9a-z-]{6,64})(?:\.([0-9]{1,12}))?$/.exec(id);
  return match ? { journalId: match[1]!, number: Number(match[2] ?? 0) } : undefined;
}

/** Bytes from which a value is an object of its own rather than part of a log: from here a file costs what a pipe costs. */
export const OBJECT_THRESHOLD_BYTES = 64 * 1024;

/** The same where each object is a request, which costs more than many bytes do. */
const REQUEST_THRESHOLD_BYTES = 1024 * 1024;

/** From how many bytes on a value is an object of its own in that store. */
export const objectThresholdBytes = ({ capabilities }: Pick<ObjectStore, "capabilities">): number =>
  capabilities.append === "emulated" ? REQUEST_THRESHOLD_BYTES : OBJECT_THRESHOLD_BYTES;
