/**
 * How long the backend waits of its own accord between what ends an attempt and telling that it has ended. An attempt meets
 * each of them once at most; together they stay below the 5 s that the contract gives.
 */

/** Between two looks at the memory of the workers. */
export const WATCH_EVERY_MS = 200;

/** For a task that was told to stop, before it is stopped. */
export const DEFAULT_GRACE_MS = 250;

/** For a dying process to end by itself. */
export const LAST_WORDS_MS = 250;

/** After a process's end, for its pipes: what its tasks spawned may hold them open. */
export const DRAIN_MS = 2000;
