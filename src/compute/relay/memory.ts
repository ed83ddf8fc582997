/** Memory that the supervisor itself needs, with what Node and the system share. */
const RESERVED_MB = 96;
const LEAST_WORKER_MB = 64;

/** What a worker process may use on a machine of so much memory: it is to be stopped before the whole machine is. */
export const workerMemoryMb = (machineMb: number): number =>
  Math.max(LEAST_WORKER_MB, Math.floor(machineMb) - RESERVED_MB);

/** The memory of a machine that leaves a worker process so much. */
export const machineMemoryMb = (workerMb: number): number => Math.ceil(workerMb) + RESERVED_MB;
